# SPDX-License-Identifier: GPL-2.0-or-later
# The devices of the emulator that fqaccel's guests boot in: a q35 board, the
# card, what shares folders and carries output, IOMMUs, PCIe bridges to hang
# the card on. Everything else would only lengthen the build.
CONFIG_Q35=y
CONFIG_VTD=y
CONFIG_PCIE_PORT=y
CONFIG_XIO3130=y
CONFIG_FQACCEL=y
CONFIG_EDU=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_9P=y
CONFIG_FSDEV_9P=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_IOMMU=y
# For comparison only: what a NOP is measured beside.
CONFIG_NVME_PCI=y
