//! The `vhost` crate's vhost-vdpa backend, unmodified, on an emulated device.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use vhost::vdpa::VhostVdpa;
use vhost::vhost_kern::VhostKernFeatures;
use vhost::vhost_kern::vdpa::VhostKernVdpa;
use vhost::{VhostBackend, VringConfigData};
use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MemoryRegionAddress,
};
use vmm_sys_util::eventfd::EventFd;

#[test]
fn vhost_kern_vdpa_sets_up_and_runs_a_device() {
    let kernel = EmulatedKernel::builder().queue_pairs(2).build().unwrap();
    let path = kernel.device(DeviceKind::VhostVdpa, 0).unwrap().path().to_str().unwrap();
    let seen = kernel
        .run(|| {
            let memory =
                GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0x10_0000), 0x20_0000)]);
            let memory = memory.unwrap();
            let mut vdpa = VhostKernVdpa::new(path, &memory).unwrap();
            // A second open of the device, by whatever means, is refused.
            let second = OpenOptions::new().read(true).write(true).custom_flags(0).open(path);
            assert_eq!(second.unwrap_err().raw_os_error(), Some(libc::EBUSY));

            vdpa.set_owner().unwrap();
            assert_eq!(vdpa.get_device_id().unwrap(), 1);
            assert_eq!(vdpa.get_vring_num().unwrap(), 1024);
            assert_eq!(vdpa.get_vqs_count().unwrap(), 5);
            assert_eq!(vdpa.get_config_size().unwrap(), 12);
            let range = vdpa.get_iova_range().unwrap();
            assert_eq!((range.first, range.last), (0, u64::MAX));
            let offered = vdpa.get_backend_features().unwrap();
            assert_eq!(offered, 0x17e);
            vdpa.set_backend_features(offered).unwrap();

            vdpa.set_status(1).unwrap();
            vdpa.set_status(3).unwrap();
            let features = vdpa.get_features().unwrap();
            assert_ne!(features & (1 << 33), 0);
            vdpa.set_features(features).unwrap();
            vdpa.set_status(11).unwrap();
            assert_eq!(vdpa.get_status().unwrap(), 11);

            let mut mac = [0; 6];
            vdpa.get_config(0, &mut mac).unwrap();
            assert_eq!(mac[..2], [0x52, 0x54]);

            let host =
                memory.iter().next().unwrap().get_host_address(MemoryRegionAddress(0)).unwrap();
            vdpa.dma_map(0x10_0000, 0x20_0000, host, false).unwrap();
            assert!(vdpa.dma_map(0x10_0000, 0x1000, host, false).is_err());
            let call = EventFd::new(0).unwrap();
            let kick = EventFd::new(0).unwrap();
            for queue in 0..2 {
                let base = 0x10_0000 + queue as u64 * 0x1_0000;
                vdpa.set_vring_num(queue, 256).unwrap();
                vdpa.set_vring_base(queue, 0).unwrap();
                let config = VringConfigData {
                    queue_max_size: 1024,
                    queue_size: 256,
                    flags: 0,
                    desc_table_addr: base,
                    used_ring_addr: base + 0x2000,
                    avail_ring_addr: base + 0x1000,
                    log_addr: None,
                };
                vdpa.set_vring_addr(queue, &config).unwrap();
                vdpa.set_vring_call(queue, &call).unwrap();
                vdpa.set_vring_kick(queue, &kick).unwrap();
                vdpa.set_vring_enable(queue, true).unwrap();
            }
            vdpa.set_status(15).unwrap();
            assert_eq!(vdpa.get_status().unwrap(), 15);
            assert_eq!(vdpa.get_vring_base(1).unwrap(), 0);
            vdpa.suspend().unwrap();
            vdpa.dma_unmap(0x10_0000, 0x20_0000).unwrap();
            vdpa.set_status(0).unwrap();
            vdpa.get_status().unwrap()
        })
        .unwrap();
    assert_eq!(seen, 0);
    let crossings = kernel.crossings();
    assert_eq!(crossings.get("ioctl VHOST_SET_VRING_ADDR"), 2);
    assert_eq!(crossings.get("write iotlb UPDATE"), 2);
    assert_eq!(crossings.get("write iotlb INVALIDATE"), 1);
}
