// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbell pages in a client's address space. A page is there while it is hot:
 * the device polls it. When it cools down the device takes it away, and the next
 * store faults, which is what wakes the device.
 *
 * KVM looks up a page that is in a memory slot in two steps, as a reader of the
 * mmap_lock: it has the page faulted in, and reads the page table. If the page is
 * gone by then, that is a bad address, and the end of its guest. So a page is taken
 * away as a writer of the mmap_lock of everybody who has it mapped.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/slab.h>

#include "client.h"

static vm_fault_t doorbell_fault(struct vm_fault *vmf)
{
	struct vhost_accel_client *client = vmf->vma->vm_private_data;
	struct vhost_accel *va = client->va;
	pgoff_t q = vmf->pgoff - client->map_base;
	vm_fault_t ret;

	if (q >= va->nvqs)
		return VM_FAULT_SIGBUS;
	ret = vmf_insert_pfn(vmf->vma, vmf->address,
			     page_to_pfn(va->ops->doorbell(va, q)));
	/* Only now: the device may take the page away as soon as it knows. */
	va->ops->doorbell_touched(va, q);
	return ret;
}

/* Somebody who has doorbells mapped, and in how many VMAs. */
struct doorbell_mm {
	struct list_head node;
	struct mm_struct *mm;
	int vmas;
};

static struct doorbell_mm *find_mm(struct vhost_accel_client *client,
				   struct mm_struct *mm)
{
	struct doorbell_mm *dm;

	lockdep_assert_held(&client->map_lock);
	list_for_each_entry(dm, &client->map_mms, node)
		if (dm->mm == mm)
			return dm;
	return NULL;
}

static int add_vma(struct vhost_accel_client *client, struct mm_struct *mm)
{
	struct doorbell_mm *dm = find_mm(client, mm);

	if (!dm) {
		dm = kzalloc(sizeof(*dm), GFP_KERNEL_ACCOUNT);
		if (!dm)
			return -ENOMEM;
		dm->mm = mm;
		list_add(&dm->node, &client->map_mms);
	}
	dm->vmas++;
	return 0;
}

/* A VMA was split, moved, or copied by fork(). */
static void doorbell_open(struct vm_area_struct *vma)
{
	struct vhost_accel_client *client = vma->vm_private_data;

	mutex_lock(&client->map_lock);
	/* One whose mm we don't know of keeps its pages. */
	if (add_vma(client, vma->vm_mm))
		client->map_keep = true;
	mutex_unlock(&client->map_lock);
}

static void doorbell_close(struct vm_area_struct *vma)
{
	struct vhost_accel_client *client = vma->vm_private_data;
	struct doorbell_mm *dm;

	mutex_lock(&client->map_lock);
	dm = find_mm(client, vma->vm_mm);
	if (dm && !--dm->vmas) {
		list_del(&dm->node);
		kfree(dm);
	}
	mutex_unlock(&client->map_lock);
}

static const struct vm_operations_struct doorbell_ops = {
	.open = doorbell_open,
	.close = doorbell_close,
	.fault = doorbell_fault,
};

int vhost_accel_mmap(struct vhost_accel_client *client,
		     struct vm_area_struct *vma, pgoff_t base)
{
	int ret;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff < base ||
	    vma->vm_pgoff - base + vma_pages(vma) > client->va->nvqs)
		return -EINVAL;
	mutex_lock(&client->map_lock);
	ret = add_vma(client, vma->vm_mm);
	client->mapping = vma->vm_file->f_mapping;
	client->map_base = base;
	mutex_unlock(&client->map_lock);
	if (ret)
		return ret;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = client;
	vma->vm_ops = &doorbell_ops;
	return 0;
}
EXPORT_SYMBOL_GPL(vhost_accel_mmap);

bool vhost_accel_rearm(struct vhost_accel_client *client, u16 q)
{
	struct doorbell_mm *dm;
	bool all;

	mutex_lock(&client->map_lock);
	all = !client->map_keep;
	/*
	 * An mm in the list is there: its VMAs are closed under map_lock. The lock
	 * itself, without mmap_lock.h's: no VMA is changed.
	 */
	list_for_each_entry(dm, &client->map_mms, node) {
		all = all && down_write_trylock(&dm->mm->mmap_lock);
		if (!all)
			break;
	}
	if (all && client->mapping)
		unmap_mapping_range(client->mapping,
				    (loff_t)(client->map_base + q) << PAGE_SHIFT,
				    PAGE_SIZE, 1);
	list_for_each_entry_continue_reverse(dm, &client->map_mms, node)
		up_write(&dm->mm->mmap_lock);
	mutex_unlock(&client->map_lock);
	return all;
}
EXPORT_SYMBOL_GPL(vhost_accel_rearm);
