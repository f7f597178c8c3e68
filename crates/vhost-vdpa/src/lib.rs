//! Backend The control: mainline vhost-vdpa
