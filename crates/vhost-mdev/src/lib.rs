//! Backend #2: a vhost character device with a DMA API of its own
