//! The crate against the C headers: abi.c prints every number, size and offset, and each must be
//! what Rust says. Numbers that the installed header is too old for are put together with its
//! macros.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;

use vhost_accel_uapi::{mdev, message, vfio, vhost};

/// A C name, the Rust name, and its value.
macro_rules! numbers {
    ($($c:ident = $rust:path,)*) => {
        [$((stringify!($c), stringify!($rust), $rust as i64),)*]
    };
}

/// A C structure's name, the size of the Rust structure, and C field names with offsets in it.
macro_rules! structures {
    ($($c:ident = $rust:ty { $($field:tt: $rust_field:ident,)* })*) => {
        [$((
            stringify!($c),
            size_of::<$rust>(),
            &[$((stringify!($field), offset_of!($rust, $rust_field)),)*],
        ),)*]
    };
}

/// What both sides must agree on, by the line that abi.c prints.
fn ours() -> BTreeMap<String, i64> {
    let mut values = BTreeMap::new();
    for (c, _, value) in NUMBERS {
        values.insert(format!("number {c}"), *value);
    }
    for (c, size, fields) in STRUCTURES {
        values.insert(format!("size {c}"), *size as i64);
        for (field, offset) in *fields {
            values.insert(format!("offset {c}.{field}"), *offset as i64);
        }
    }
    values
}

/// Compiles and runs abi.c. A machine without a C compiler or the kernel's headers fails here.
fn theirs() -> (BTreeMap<String, i64>, Vec<String>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let program = dir.path().join("abi");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let source = tests_dir().join("abi.c");
    let mut compile = Command::new(&compiler);
    compile.args(["-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source);
    let compiled = compile.output().unwrap_or_else(|e| panic!("no C compiler `{compiler}`: {e}"));
    let complaint = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "abi.c does not compile:\n{complaint}");
    let run = Command::new(&program).output().expect("run abi");
    assert!(run.status.success());

    let mut values = BTreeMap::new();
    let mut lacking = Vec::new();
    for line in String::from_utf8(run.stdout).expect("ASCII").lines() {
        if let Some(name) = line.strip_prefix("lacks ") {
            lacking.push(name.to_owned());
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect("a value");
        let twice = values.insert(key.to_owned(), value.parse().expect("a number"));
        assert_eq!(twice, None, "{key} is printed twice");
    }
    (values, lacking)
}

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

// ABI-REQ-1, ABI-MDEV-4
#[test]
fn every_number_size_and_offset_is_what_c_says() {
    let (mut theirs, lacking) = theirs();
    let mut ours = ours();
    println!("the installed header lacks {lacking:?}");

    // A newer number counts twice: as its macro puts it together, and as the header says if it
    // does.
    let pinned: Vec<_> = theirs.keys().filter(|k| k.starts_with("pinned ")).cloned().collect();
    assert_eq!(pinned.len(), 7);
    for key in pinned {
        let value = theirs.remove(&key);
        let name = key.trim_start_matches("pinned ");
        let number = format!("number {name}");
        assert_eq!(ours.get(&number).copied(), value, "{name}");
        if lacking.iter().any(|lack| lack == name) {
            ours.remove(&number);
        }
    }

    for (key, value) in &ours {
        assert_eq!(theirs.get(key), Some(value), "{key}");
    }
    let unknown: Vec<_> = theirs.keys().filter(|key| !ours.contains_key(*key)).collect();
    assert!(unknown.is_empty(), "C alone has {unknown:?}");
}

/// What is compared with something else than a C number, or has none.
const NOT_IN_C: &[&str] = &[
    "message::HEADER_LEN",    // the size of a structure
    "vfio::DEVICE_API_VHOST", // a string
    "vfio::DMA_ENTRY_LIMIT",  // a module parameter's default
];

#[test]
fn no_public_constant_is_left_out() {
    let mut found = 0;
    for module in ["vhost", "vfio", "mdev", "message"] {
        let file = tests_dir().join(format!("../src/{module}.rs"));
        let source = std::fs::read_to_string(file).expect("the module's source");
        for line in source.lines().filter_map(|line| line.strip_prefix("pub const ")) {
            let Some((name, _)) = line.split_once(':') else { continue };
            if name.contains("fn ") {
                continue;
            }
            let path = format!("{module}::{name}");
            let listed = NUMBERS.iter().any(|(_, rust, _)| *rust == path);
            assert!(listed || NOT_IN_C.contains(&path.as_str()), "{path} is not compared with C");
            found += 1;
        }
    }
    assert_eq!(found, NUMBERS.len() + NOT_IN_C.len());
}

// ABI-VFIO-3, ABI-VFIO-5
#[test]
fn regions_are_a_tebibyte_apart() {
    assert_eq!(vfio::region_offset(vfio::REGION_INDEX_CONFIG), 0);
    assert_eq!(vfio::region_offset(vfio::REGION_INDEX_NOTIFY), 1 << 40);
    assert_eq!(vfio::region_index((1 << 40) + 5), vfio::REGION_INDEX_NOTIFY);
    assert_eq!(vfio::DEVICE_API_VHOST, "vfio-vhost");
}

const NUMBERS: &[(&str, &str, i64)] = &numbers! {
    VHOST_GET_FEATURES = vhost::GET_FEATURES,
    VHOST_SET_FEATURES = vhost::SET_FEATURES,
    VHOST_SET_OWNER = vhost::SET_OWNER,
    VHOST_RESET_OWNER = vhost::RESET_OWNER,
    VHOST_SET_MEM_TABLE = vhost::SET_MEM_TABLE,
    VHOST_SET_LOG_BASE = vhost::SET_LOG_BASE,
    VHOST_SET_LOG_FD = vhost::SET_LOG_FD,
    VHOST_SET_VRING_NUM = vhost::SET_VRING_NUM,
    VHOST_SET_VRING_ADDR = vhost::SET_VRING_ADDR,
    VHOST_SET_VRING_BASE = vhost::SET_VRING_BASE,
    VHOST_GET_VRING_BASE = vhost::GET_VRING_BASE,
    VHOST_SET_VRING_KICK = vhost::SET_VRING_KICK,
    VHOST_SET_VRING_CALL = vhost::SET_VRING_CALL,
    VHOST_SET_VRING_ERR = vhost::SET_VRING_ERR,
    VHOST_SET_VRING_BUSYLOOP_TIMEOUT = vhost::SET_VRING_BUSYLOOP_TIMEOUT,
    VHOST_GET_VRING_BUSYLOOP_TIMEOUT = vhost::GET_VRING_BUSYLOOP_TIMEOUT,
    VHOST_SET_BACKEND_FEATURES = vhost::SET_BACKEND_FEATURES,
    VHOST_GET_BACKEND_FEATURES = vhost::GET_BACKEND_FEATURES,
    VHOST_VDPA_GET_DEVICE_ID = vhost::GET_DEVICE_ID,
    VHOST_VDPA_GET_STATUS = vhost::GET_STATUS,
    VHOST_VDPA_SET_STATUS = vhost::SET_STATUS,
    VHOST_VDPA_GET_CONFIG = vhost::GET_CONFIG,
    VHOST_VDPA_SET_CONFIG = vhost::SET_CONFIG,
    VHOST_VDPA_SET_VRING_ENABLE = vhost::SET_VRING_ENABLE,
    VHOST_VDPA_GET_VRING_NUM = vhost::GET_VRING_NUM,
    VHOST_VDPA_SET_CONFIG_CALL = vhost::SET_CONFIG_CALL,
    VHOST_VDPA_GET_IOVA_RANGE = vhost::GET_IOVA_RANGE,
    VHOST_VDPA_GET_CONFIG_SIZE = vhost::GET_CONFIG_SIZE,
    VHOST_VDPA_GET_AS_NUM = vhost::GET_AS_NUM,
    VHOST_VDPA_GET_VRING_GROUP = vhost::GET_VRING_GROUP,
    VHOST_VDPA_SET_GROUP_ASID = vhost::SET_GROUP_ASID,
    VHOST_VDPA_SUSPEND = vhost::SUSPEND,
    VHOST_VDPA_GET_VQS_COUNT = vhost::GET_VQS_COUNT,
    VHOST_VDPA_GET_GROUP_NUM = vhost::GET_GROUP_NUM,
    VHOST_VIRTIO = vhost::TYPE,
    VHOST_F_LOG_ALL = vhost::F_LOG_ALL,
    VHOST_VRING_F_LOG = vhost::VRING_F_LOG,
    VHOST_FILE_UNBIND = vhost::FILE_UNBIND,
    VHOST_BACKEND_F_IOTLB_MSG_V2 = vhost::BACKEND_F_IOTLB_MSG_V2,
    VHOST_BACKEND_F_IOTLB_BATCH = vhost::BACKEND_F_IOTLB_BATCH,
    VHOST_BACKEND_F_IOTLB_ASID = vhost::BACKEND_F_IOTLB_ASID,
    VHOST_BACKEND_F_SUSPEND = vhost::BACKEND_F_SUSPEND,
    VHOST_ACCESS_RO = vhost::ACCESS_RO,
    VHOST_ACCESS_WO = vhost::ACCESS_WO,
    VHOST_ACCESS_RW = vhost::ACCESS_RW,
    VHOST_IOTLB_MISS = vhost::IOTLB_MISS,
    VHOST_IOTLB_UPDATE = vhost::IOTLB_UPDATE,
    VHOST_IOTLB_INVALIDATE = vhost::IOTLB_INVALIDATE,
    VHOST_IOTLB_ACCESS_FAIL = vhost::IOTLB_ACCESS_FAIL,
    VHOST_IOTLB_BATCH_BEGIN = vhost::IOTLB_BATCH_BEGIN,
    VHOST_IOTLB_BATCH_END = vhost::IOTLB_BATCH_END,
    VHOST_IOTLB_MSG = vhost::IOTLB_MSG,
    VHOST_IOTLB_MSG_V2 = vhost::IOTLB_MSG_V2,
    VHOST_VDPA_RESUME = vhost::RESUME,
    VHOST_VDPA_GET_VRING_DESC_GROUP = vhost::GET_VRING_DESC_GROUP,
    VHOST_VDPA_GET_VRING_SIZE = vhost::GET_VRING_SIZE,
    VHOST_BACKEND_F_RESUME = vhost::BACKEND_F_RESUME,
    VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK = vhost::BACKEND_F_ENABLE_AFTER_DRIVER_OK,
    VHOST_BACKEND_F_DESC_ASID = vhost::BACKEND_F_DESC_ASID,
    VHOST_BACKEND_F_IOTLB_PERSIST = vhost::BACKEND_F_IOTLB_PERSIST,
    VFIO_TYPE = vfio::TYPE,
    VFIO_BASE = vfio::BASE,
    VFIO_GET_API_VERSION = vfio::GET_API_VERSION,
    VFIO_CHECK_EXTENSION = vfio::CHECK_EXTENSION,
    VFIO_SET_IOMMU = vfio::SET_IOMMU,
    VFIO_GROUP_GET_STATUS = vfio::GROUP_GET_STATUS,
    VFIO_GROUP_SET_CONTAINER = vfio::GROUP_SET_CONTAINER,
    VFIO_GROUP_UNSET_CONTAINER = vfio::GROUP_UNSET_CONTAINER,
    VFIO_GROUP_GET_DEVICE_FD = vfio::GROUP_GET_DEVICE_FD,
    VFIO_DEVICE_GET_INFO = vfio::DEVICE_GET_INFO,
    VFIO_DEVICE_GET_REGION_INFO = vfio::DEVICE_GET_REGION_INFO,
    VFIO_DEVICE_GET_IRQ_INFO = vfio::DEVICE_GET_IRQ_INFO,
    VFIO_DEVICE_SET_IRQS = vfio::DEVICE_SET_IRQS,
    VFIO_DEVICE_RESET = vfio::DEVICE_RESET,
    VFIO_IOMMU_GET_INFO = vfio::IOMMU_GET_INFO,
    VFIO_IOMMU_MAP_DMA = vfio::IOMMU_MAP_DMA,
    VFIO_IOMMU_UNMAP_DMA = vfio::IOMMU_UNMAP_DMA,
    VFIO_API_VERSION = vfio::API_VERSION,
    VFIO_TYPE1_IOMMU = vfio::TYPE1_IOMMU,
    VFIO_TYPE1v2_IOMMU = vfio::TYPE1V2_IOMMU,
    VFIO_GROUP_FLAGS_VIABLE = vfio::GROUP_FLAGS_VIABLE,
    VFIO_GROUP_FLAGS_CONTAINER_SET = vfio::GROUP_FLAGS_CONTAINER_SET,
    VFIO_DEVICE_FLAGS_RESET = vfio::DEVICE_FLAGS_RESET,
    VFIO_DEVICE_FLAGS_PLATFORM = vfio::DEVICE_FLAGS_PLATFORM,
    VFIO_REGION_INFO_FLAG_READ = vfio::REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE = vfio::REGION_INFO_FLAG_WRITE,
    VFIO_REGION_INFO_FLAG_MMAP = vfio::REGION_INFO_FLAG_MMAP,
    VFIO_REGION_INFO_FLAG_CAPS = vfio::REGION_INFO_FLAG_CAPS,
    VFIO_REGION_INFO_CAP_TYPE = vfio::REGION_INFO_CAP_TYPE,
    VFIO_IRQ_INFO_EVENTFD = vfio::IRQ_INFO_EVENTFD,
    VFIO_IRQ_INFO_NORESIZE = vfio::IRQ_INFO_NORESIZE,
    VFIO_IRQ_SET_DATA_NONE = vfio::IRQ_SET_DATA_NONE,
    VFIO_IRQ_SET_DATA_BOOL = vfio::IRQ_SET_DATA_BOOL,
    VFIO_IRQ_SET_DATA_EVENTFD = vfio::IRQ_SET_DATA_EVENTFD,
    VFIO_IRQ_SET_ACTION_MASK = vfio::IRQ_SET_ACTION_MASK,
    VFIO_IRQ_SET_ACTION_UNMASK = vfio::IRQ_SET_ACTION_UNMASK,
    VFIO_IRQ_SET_ACTION_TRIGGER = vfio::IRQ_SET_ACTION_TRIGGER,
    VFIO_IOMMU_INFO_PGSIZES = vfio::IOMMU_INFO_PGSIZES,
    VFIO_IOMMU_INFO_CAPS = vfio::IOMMU_INFO_CAPS,
    VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = vfio::IOMMU_INFO_CAP_IOVA_RANGE,
    VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = vfio::IOMMU_INFO_CAP_DMA_AVAIL,
    VFIO_DMA_MAP_FLAG_READ = vfio::DMA_MAP_FLAG_READ,
    VFIO_DMA_MAP_FLAG_WRITE = vfio::DMA_MAP_FLAG_WRITE,
    VFIO_DEVICE_FLAGS_VHOST = vfio::DEVICE_FLAGS_VHOST,
    VFIO_REGION_INFO_CAP_VHOST = vfio::REGION_INFO_CAP_VHOST,
    VFIO_REGION_TYPE_VHOST = vfio::REGION_TYPE_VHOST,
    VFIO_REGION_SUBTYPE_VHOST_CONFIG = vfio::REGION_SUBTYPE_VHOST_CONFIG,
    VFIO_REGION_SUBTYPE_VHOST_NOTIFY = vfio::REGION_SUBTYPE_VHOST_NOTIFY,
    VFIO_VHOST_CAP_STATUS = vfio::VHOST_CAP_STATUS,
    VFIO_VHOST_CAP_BATCH = vfio::VHOST_CAP_BATCH,
    VFIO_VHOST_CONFIG_REGION_INDEX = vfio::REGION_INDEX_CONFIG,
    VFIO_VHOST_NOTIFY_REGION_INDEX = vfio::REGION_INDEX_NOTIFY,
    VFIO_VHOST_NUM_REGIONS = vfio::NUM_REGIONS,
    VFIO_VHOST_CONFIG_REGION_SIZE = vfio::REGION_CONFIG_SIZE,
    VFIO_VHOST_VQ_IRQ_INDEX = vfio::IRQ_INDEX_VQ,
    VFIO_VHOST_ERR_IRQ_INDEX = vfio::IRQ_INDEX_ERR,
    VFIO_VHOST_CONFIG_IRQ_INDEX = vfio::IRQ_INDEX_CONFIG,
    VFIO_VHOST_NUM_IRQS = vfio::NUM_IRQS,
    VHOST_DEVICE_SET_STATE = message::SET_STATE,
    VHOST_DEVICE_S_STOPPED = message::STATE_STOPPED,
    VHOST_DEVICE_S_RUNNING = message::STATE_RUNNING,
    VHOST_VFIO_NEED_REPLY = message::NEED_REPLY,
    VHOST_VFIO_MAX_PAYLOAD = message::MAX_PAYLOAD,
    VHOST_VFIO_MAX_BATCH = message::MAX_BATCH,
    VHOST_MDEV_MAP_DMA = mdev::MAP_DMA,
    VHOST_MDEV_UNMAP_DMA = mdev::UNMAP_DMA,
    VHOST_MDEV_GET_DMA_INFO = mdev::GET_DMA_INFO,
    VHOST_MDEV_MAX_MAPPINGS = mdev::MAX_MAPPINGS,
    VHOST_MDEV_MAX_REGIONS = mdev::MAX_REGIONS,
};

type Structure = (&'static str, usize, &'static [(&'static str, usize)]);

const STRUCTURES: &[Structure] = &structures! {
    vhost_vring_state = vhost::VringState {
        index: index,
        num: num,
    }
    vhost_vring_file = vhost::VringFile {
        index: index,
        fd: fd,
    }
    vhost_vring_addr = vhost::VringAddr {
        index: index,
        flags: flags,
        desc_user_addr: desc,
        used_user_addr: used,
        avail_user_addr: avail,
        log_guest_addr: log,
    }
    vhost_memory = vhost::Memory {
        nregions: nregions,
        padding: padding,
    }
    vhost_memory_region = vhost::MemoryRegion {
        guest_phys_addr: guest_phys_addr,
        memory_size: memory_size,
        userspace_addr: userspace_addr,
        flags_padding: flags_padding,
    }
    vhost_vdpa_config = vhost::Config {
        off: off,
        len: len,
    }
    vhost_vdpa_iova_range = vhost::IovaRange {
        first: first,
        last: last,
    }
    vhost_iotlb_msg = vhost::IotlbMsg {
        iova: iova,
        size: size,
        uaddr: uaddr,
        perm: perm,
        type: kind,
    }
    vhost_msg_v2 = vhost::MsgV2 {
        type: msg_type,
        asid: asid,
        iotlb: iotlb,
    }
    vfio_group_status = vfio::GroupStatus {
        argsz: argsz,
        flags: flags,
    }
    vfio_device_info = vfio::DeviceInfo {
        argsz: argsz,
        flags: flags,
        num_regions: num_regions,
        num_irqs: num_irqs,
        cap_offset: cap_offset,
    }
    vfio_region_info = vfio::RegionInfo {
        argsz: argsz,
        flags: flags,
        index: index,
        cap_offset: cap_offset,
        size: size,
        offset: offset,
    }
    vfio_info_cap_header = vfio::CapHeader {
        id: id,
        version: version,
        next: next,
    }
    vfio_region_info_cap_type = vfio::RegionCapType {
        header: header,
        type: region_type,
        subtype: subtype,
    }
    vfio_region_info_cap_vhost = vfio::RegionCapVhost {
        header: header,
        flags: flags,
        max_batch: max_batch,
    }
    vfio_irq_info = vfio::IrqInfo {
        argsz: argsz,
        flags: flags,
        index: index,
        count: count,
    }
    vfio_irq_set = vfio::IrqSet {
        argsz: argsz,
        flags: flags,
        index: index,
        start: start,
        count: count,
    }
    vfio_iommu_type1_info = vfio::IommuInfo {
        argsz: argsz,
        flags: flags,
        iova_pgsizes: iova_pgsizes,
        cap_offset: cap_offset,
    }
    vfio_iommu_type1_info_cap_iova_range = vfio::IommuCapIovaRange {
        header: header,
        nr_iovas: nr_iovas,
        reserved: reserved,
    }
    vfio_iova_range = vfio::IovaRange {
        start: start,
        end: end,
    }
    vfio_iommu_type1_info_dma_avail = vfio::IommuCapDmaAvail {
        header: header,
        avail: avail,
    }
    vfio_iommu_type1_dma_map = vfio::DmaMap {
        argsz: argsz,
        flags: flags,
        vaddr: vaddr,
        iova: iova,
        size: size,
    }
    vfio_iommu_type1_dma_unmap = vfio::DmaUnmap {
        argsz: argsz,
        flags: flags,
        iova: iova,
        size: size,
    }
    vhost_vfio_op = message::Header {
        request: request,
        flags: flags,
        size: size,
    }
    vhost_mdev_dma_map = mdev::DmaMap {
        iova: iova,
        size: size,
        uaddr: uaddr,
        perm: perm,
        flags: flags,
    }
    vhost_mdev_dma_unmap = mdev::DmaUnmap {
        iova: iova,
        size: size,
    }
    vhost_mdev_dma_info = mdev::DmaInfo {
        iova_first: iova_first,
        iova_last: iova_last,
        page_sizes: page_sizes,
        max_mappings: max_mappings,
        max_regions: max_regions,
    }
};
