// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbell pages in a client's address space. A page is there while it is hot:
 * the device polls it. When it cools down the device takes it away, and the next
 * store faults, which is what wakes the device.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>

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

static const struct vm_operations_struct doorbell_ops = {
	.fault = doorbell_fault,
};

int vhost_accel_mmap(struct vhost_accel_client *client,
		     struct vm_area_struct *vma, pgoff_t base)
{
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff < base ||
	    vma->vm_pgoff - base + vma_pages(vma) > client->va->nvqs)
		return -EINVAL;
	mutex_lock(&client->map_lock);
	client->mapping = vma->vm_file->f_mapping;
	client->map_base = base;
	mutex_unlock(&client->map_lock);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = client;
	vma->vm_ops = &doorbell_ops;
	return 0;
}
EXPORT_SYMBOL_GPL(vhost_accel_mmap);

void vhost_accel_rearm(struct vhost_accel_client *client, u16 q)
{
	mutex_lock(&client->map_lock);
	if (client->mapping)
		unmap_mapping_range(client->mapping,
				    (loff_t)(client->map_base + q) << PAGE_SHIFT,
				    PAGE_SIZE, 1);
	mutex_unlock(&client->map_lock);
}
EXPORT_SYMBOL_GPL(vhost_accel_rearm);
