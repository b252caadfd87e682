/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fqaccel: the card as a PCI Express endpoint of QEMU.
 *
 * The card itself is plain C in card/ and knows nothing of QEMU; its contract is
 * card/card.h, its interface to guests firmware-format/CARD.md. This file gives
 * it a bus: BARs, MSI-X, power states, function level reset, DMA, and threads
 * to compute on.
 *
 *     -device fqaccel[,memory=SIZE][,queues=N][,lanes=N][,clock-khz=N][,workers=N]
 *
 * memory     card memory, 256 MiB unless told
 * queues     I/O queues, 1 to 64, 8 unless told; there is one MSI-X vector more
 * lanes      of the modeled datapath; they change the cycles reported, not the
 * clock-khz  emulator's speed
 * workers    threads that compute; 0, the default, means one for each queue, so
 *            that no command waits for another queue's and looks hung meanwhile
 *
 * Fault knobs, which can be set while the guest runs (qom-set): hang-next,
 * drop-irq, corrupt-cqe, fail-dma count down; flip-bit acts at once; gone.
 *
 * Locking: everything here runs under the big lock, but for fqaccel_worker() and
 * what it shares under s->lock: the list of waiting and that of finished work.
 * All DMA and all interrupts come from fqaccel_bh(), a bounded piece at a time,
 * and never from a register access or a worker: a fault in an IOMMU, or DMA
 * aimed at MMIO, would deadlock there.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "migration/vmstate.h"
#if __has_include("hw/pci/pci_device.h")
#include "hw/pci/pci_device.h"
#endif
#include "hw/pci/pci.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_aer.h"
#if __has_include("hw/core/qdev-properties.h")
#include "hw/core/qdev-properties.h"
#else
#include "hw/qdev-properties.h"
#endif
#include "trace.h"

#include "card/card.h"
#include "fqaccel_hw.h"

/*
 * QEMU 9.2 took the reset method away, 10.0 the end of property lists, 10.1
 * made class data const.
 */
#define FQACCEL_QEMU(major, minor)                              \
    (QEMU_VERSION_MAJOR > (major) ||                            \
     (QEMU_VERSION_MAJOR == (major) && QEMU_VERSION_MINOR >= (minor)))
#if FQACCEL_QEMU(10, 1)
typedef const void FqaccelClassData;
#else
typedef void FqaccelClassData;
#endif

#define TYPE_FQACCEL "fqaccel"
OBJECT_DECLARE_SIMPLE_TYPE(FqaccelState, FQACCEL)

/* Capabilities in configuration space; MSI-X takes the next free place. */
#define FQACCEL_PM_OFFSET   0x40
#define FQACCEL_PCIE_OFFSET 0x80
#define FQACCEL_AER_OFFSET  0x100

#define FQACCEL_MAX_WORKERS 256

static const struct {
    const char *name;
    enum card_fault fault;
    const char *description;
} fqaccel_faults[] = {
    { "hang-next", CARD_FAULT_HANG,
      "how many further RUN commands never progress" },
    { "drop-irq", CARD_FAULT_DROP_IRQ,
      "how many further interrupts are not sent" },
    { "corrupt-cqe", CARD_FAULT_CORRUPT_COMPLETION,
      "how many further completions carry an unknown command identifier" },
    { "fail-dma", CARD_FAULT_FAIL_DMA,
      "how many further data transfers fail" },
    { "flip-bit", CARD_FAULT_FLIP_BIT,
      "number of a bit of card memory to flip now" },
    { "gone", CARD_FAULT_GONE,
      "1: the card answers as if it had been pulled out" },
};

typedef struct FqaccelWork {
    struct card_work *work;
    QSIMPLEQ_ENTRY(FqaccelWork) next;
} FqaccelWork;

typedef QSIMPLEQ_HEAD(, FqaccelWork) FqaccelWorkList;

struct FqaccelState {
    PCIDevice parent_obj;

    MemoryRegion regs;
    struct card *card;
    QEMUBH *bh;
    bool d3hot;

    QemuThread *threads;
    unsigned int started;   /* threads that run */
    QemuMutex lock;         /* protects what follows, up to the blank line */
    QemuCond wake;
    FqaccelWorkList waiting;
    FqaccelWorkList finished;
    bool stop;

    uint64_t memory;
    uint32_t queues;
    uint32_t lanes;
    uint32_t clock_khz;
    uint32_t workers;
    /* Knobs that were set before there was a card to set them on. */
    uint64_t early_fault[ARRAY_SIZE(fqaccel_faults)];
    bool early_fault_set[ARRAY_SIZE(fqaccel_faults)];
};

/* Workers. */

static void *fqaccel_worker(void *opaque)
{
    FqaccelState *s = opaque;
    FqaccelWork *w;

    qemu_mutex_lock(&s->lock);
    for (;;) {
        /* Waiting work is run even on the way out: each item has to be ended. */
        while (QSIMPLEQ_EMPTY(&s->waiting) && !s->stop) {
            qemu_cond_wait(&s->wake, &s->lock);
        }
        w = QSIMPLEQ_FIRST(&s->waiting);
        if (!w) {
            break;
        }
        QSIMPLEQ_REMOVE_HEAD(&s->waiting, next);
        qemu_mutex_unlock(&s->lock);

        card_work_run(w->work);

        qemu_mutex_lock(&s->lock);
        QSIMPLEQ_INSERT_TAIL(&s->finished, w, next);
        qemu_bh_schedule(s->bh);
    }
    qemu_mutex_unlock(&s->lock);
    return NULL;
}

static void fqaccel_end_finished(FqaccelState *s)
{
    FqaccelWorkList list;
    FqaccelWork *w;

    QSIMPLEQ_INIT(&list);
    qemu_mutex_lock(&s->lock);
    QSIMPLEQ_CONCAT(&list, &s->finished);
    qemu_mutex_unlock(&s->lock);

    while ((w = QSIMPLEQ_FIRST(&list)) != NULL) {
        QSIMPLEQ_REMOVE_HEAD(&list, next);
        trace_fqaccel_work_end(s, w->work);
        card_work_end(s->card, w->work);
        g_free(w);
    }
}

static void fqaccel_bh(void *opaque)
{
    FqaccelState *s = opaque;

    fqaccel_end_finished(s);
    if (card_step(s->card)) {
        qemu_bh_schedule(s->bh);
    }
}

static void fqaccel_start_workers(FqaccelState *s)
{
    uint32_t n = s->workers ? s->workers : s->queues + 1;

    s->threads = g_new0(QemuThread, n);
    for (s->started = 0; s->started < n; s->started++) {
        g_autofree char *name = g_strdup_printf("fqaccel/%u", s->started);

        qemu_thread_create(&s->threads[s->started], name, fqaccel_worker, s,
                           QEMU_THREAD_JOINABLE);
    }
}

/* The card has been reset, so its workers soon find out that nobody waits for them. */
static void fqaccel_stop_workers(FqaccelState *s)
{
    qemu_mutex_lock(&s->lock);
    s->stop = true;
    qemu_cond_broadcast(&s->wake);
    qemu_mutex_unlock(&s->lock);
    while (s->started > 0) {
        qemu_thread_join(&s->threads[--s->started]);
    }
    g_free(s->threads);
    s->threads = NULL;
    fqaccel_end_finished(s);
}

/* What the card asks of its host, card/card.h. */

static int fqaccel_dma(FqaccelState *s, uint64_t addr, void *buf, size_t len,
                       DMADirection dir)
{
    /*
     * Memory only. Peer-to-peer DMA would allow a guest to aim the card at its
     * own registers in the middle of a step.
     */
    const MemTxAttrs attrs = { .memory = true };
    MemTxResult result;

    result = pci_dma_rw(PCI_DEVICE(s), addr, buf, len, dir, attrs);
    if (result != MEMTX_OK) {
        trace_fqaccel_dma_fault(s, dir == DMA_DIRECTION_TO_DEVICE ? "read" : "write",
                                addr, len, result);
        return -EFAULT;
    }
    return 0;
}

static int fqaccel_dma_read(void *opaque, uint64_t addr, void *buf, size_t len)
{
    return fqaccel_dma(opaque, addr, buf, len, DMA_DIRECTION_TO_DEVICE);
}

static int fqaccel_dma_write(void *opaque, uint64_t addr, const void *buf,
                             size_t len)
{
    return fqaccel_dma(opaque, addr, (void *)buf, len,
                       DMA_DIRECTION_FROM_DEVICE);
}

static void fqaccel_raise_irq(void *opaque, unsigned int vector)
{
    FqaccelState *s = opaque;

    trace_fqaccel_irq(s, vector);
    msix_notify(PCI_DEVICE(s), vector);
}

static void fqaccel_kick(void *opaque)
{
    FqaccelState *s = opaque;

    qemu_bh_schedule(s->bh);
}

static void fqaccel_work_start(void *opaque, struct card_work *work)
{
    FqaccelState *s = opaque;
    FqaccelWork *w = g_new0(FqaccelWork, 1);

    trace_fqaccel_work_start(s, work);
    w->work = work;
    qemu_mutex_lock(&s->lock);
    QSIMPLEQ_INSERT_TAIL(&s->waiting, w, next);
    qemu_cond_signal(&s->wake);
    qemu_mutex_unlock(&s->lock);
}

static uint64_t fqaccel_clock_ns(void *opaque)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static void fqaccel_log(void *opaque, enum card_log_level level,
                        const char *text)
{
    FqaccelState *s = opaque;

    trace_fqaccel_log(s, level, text);
    if (level != CARD_LOG_DEBUG) {
        qemu_log_mask(LOG_GUEST_ERROR, "fqaccel: %s\n", text);
    }
}

static const struct card_host fqaccel_host = {
    .dma_read = fqaccel_dma_read,
    .dma_write = fqaccel_dma_write,
    .raise_irq = fqaccel_raise_irq,
    .kick = fqaccel_kick,
    .work_start = fqaccel_work_start,
    .clock_ns = fqaccel_clock_ns,
    .log = fqaccel_log,
};

/* Registers. */

static uint64_t fqaccel_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    FqaccelState *s = opaque;
    uint64_t value = card_mmio_read(s->card, addr, size);

    trace_fqaccel_mmio_read(s, addr, size, value);
    return value;
}

static void fqaccel_mmio_write(void *opaque, hwaddr addr, uint64_t value,
                               unsigned size)
{
    FqaccelState *s = opaque;

    trace_fqaccel_mmio_write(s, addr, size, value);
    card_mmio_write(s->card, addr, value, size);
}

/* Every access reaches the card as the guest made it: it refuses the odd ones. */
static const MemoryRegionOps fqaccel_mmio_ops = {
    .read = fqaccel_mmio_read,
    .write = fqaccel_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

/* Reset and power, CARD.md section 2. */

static void fqaccel_reset(DeviceState *dev)
{
    FqaccelState *s = FQACCEL(dev);
    PCIDevice *pci = PCI_DEVICE(dev);

    trace_fqaccel_reset(s);
    pci_word_test_and_clear_mask(pci->config + FQACCEL_PM_OFFSET + PCI_PM_CTRL,
                                 PCI_PM_CTRL_STATE_MASK);
    pcie_cap_deverr_reset(pci);
    if (s->d3hot) {
        s->d3hot = false;
        card_power(s->card, true);
    }
    card_reset(s->card);
}

static void fqaccel_check_power(FqaccelState *s)
{
    PCIDevice *pci = PCI_DEVICE(s);
    uint16_t state = pci_get_word(pci->config + FQACCEL_PM_OFFSET + PCI_PM_CTRL) &
                     PCI_PM_CTRL_STATE_MASK;
    bool d3hot = state == 3;

    if (d3hot == s->d3hot) {
        return;
    }
    trace_fqaccel_power(s, !d3hot);
    s->d3hot = d3hot;
    card_power(s->card, !d3hot);
    if (!d3hot) {
        /* No_Soft_Reset is 0: configuration space starts anew as well. */
        pci_device_reset(pci);
    }
}

static void fqaccel_write_config(PCIDevice *pci, uint32_t addr, uint32_t val,
                                 int len)
{
    uint16_t pm = FQACCEL_PM_OFFSET + PCI_PM_CTRL;
    uint16_t before = pci_get_word(pci->config + pm) & PCI_PM_CTRL_STATE_MASK;
    uint16_t after;

    pci_default_write_config(pci, addr, val, len);

    /* D1 and D2 do not exist: such a write leaves the state as it was. */
    after = pci_get_word(pci->config + pm) & PCI_PM_CTRL_STATE_MASK;
    if (after == 1 || after == 2) {
        pci_word_test_and_clear_mask(pci->config + pm, PCI_PM_CTRL_STATE_MASK);
        pci_word_test_and_set_mask(pci->config + pm, before);
    }
    pcie_cap_flr_write_config(pci, addr, val, len);
    pcie_aer_write_config(pci, addr, val, len);
    fqaccel_check_power(FQACCEL(pci));
}

/* Coming and going. */

static bool fqaccel_init_pm(PCIDevice *pci, Error **errp)
{
    if (pci_add_capability(pci, PCI_CAP_ID_PM, FQACCEL_PM_OFFSET,
                           PCI_PM_SIZEOF, errp) < 0) {
        return false;
    }
    pci_set_word(pci->config + FQACCEL_PM_OFFSET + PCI_PM_PMC, 3);
    pci_set_word(pci->wmask + FQACCEL_PM_OFFSET + PCI_PM_CTRL,
                 PCI_PM_CTRL_STATE_MASK);
    return true;
}

static bool fqaccel_init_pci(FqaccelState *s, Error **errp)
{
    PCIDevice *pci = PCI_DEVICE(s);
    unsigned int i;

    pci->config[PCI_CLASS_PROG] = FQA_PCI_CLASS & 0xff;
    memory_region_init_io(&s->regs, OBJECT(s), &fqaccel_mmio_ops, s,
                          "fqaccel-regs", FQA_BAR_REGS_SIZE);
    pci_register_bar(pci, FQA_BAR_REGS,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64, &s->regs);

    if (!fqaccel_init_pm(pci, errp) ||
        msix_init_exclusive_bar(pci, s->queues + 1, FQA_BAR_MSIX, errp) < 0) {
        return false;
    }
    for (i = 0; i < s->queues + 1; i++) {
        msix_vector_use(pci, i);
    }
    if (pcie_endpoint_cap_init(pci, FQACCEL_PCIE_OFFSET) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        goto err_msix;
    }
    pcie_cap_flr_init(pci);
    pcie_cap_deverr_init(pci);
    if (pcie_aer_init(pci, PCI_ERR_VER, FQACCEL_AER_OFFSET, PCI_ERR_SIZEOF,
                      errp) < 0) {
        goto err_pcie;
    }
    return true;

err_pcie:
    pcie_cap_exit(pci);
err_msix:
    msix_uninit_exclusive_bar(pci);
    return false;
}

static bool fqaccel_create_card(FqaccelState *s, Error **errp)
{
    const struct card_config config = {
        .memory = s->memory,
        .io_queues = s->queues,
        .lanes = s->lanes,
        .clock_khz = s->clock_khz,
    };
    int ret = card_create(&config, &fqaccel_host, s, &s->card);

    if (ret == -EINVAL) {
        error_setg(errp, "a property is out of its range: memory 1 MiB to 64 GiB"
                   " in steps of 4 KiB, queues 1 to %d, lanes 1 to 65536,"
                   " clock-khz 1000 to 10000000", FQA_MAX_IO_QUEUES);
    } else if (ret < 0) {
        error_setg_errno(errp, -ret, "could not create the card");
    }
    return ret == 0;
}

static void fqaccel_realize(PCIDevice *pci, Error **errp)
{
    FqaccelState *s = FQACCEL(pci);
    unsigned int i;

    if (s->workers > FQACCEL_MAX_WORKERS) {
        error_setg(errp, "workers is %u, the most is %d", s->workers,
                   FQACCEL_MAX_WORKERS);
        return;
    }
    /* The card judges the other properties, so it comes first. */
    if (!fqaccel_create_card(s, errp)) {
        return;
    }
    if (!fqaccel_init_pci(s, errp)) {
        card_destroy(s->card);
        s->card = NULL;
        return;
    }

    qemu_mutex_init(&s->lock);
    qemu_cond_init(&s->wake);
    QSIMPLEQ_INIT(&s->waiting);
    QSIMPLEQ_INIT(&s->finished);
    s->stop = false;
    s->d3hot = false;
    s->bh = qemu_bh_new(fqaccel_bh, s);
    fqaccel_start_workers(s);

    for (i = 0; i < ARRAY_SIZE(fqaccel_faults); i++) {
        if (s->early_fault_set[i] &&
            card_fault_set(s->card, fqaccel_faults[i].fault,
                           s->early_fault[i]) < 0) {
            warn_report("fqaccel: %s=%" PRIu64 " has no meaning for this card",
                        fqaccel_faults[i].name, s->early_fault[i]);
        }
    }
}

static void fqaccel_exit(PCIDevice *pci)
{
    FqaccelState *s = FQACCEL(pci);

    card_reset(s->card);
    fqaccel_stop_workers(s);
    qemu_bh_delete(s->bh);
    assert(card_work_pending(s->card) == 0);
    card_destroy(s->card);
    s->card = NULL;
    qemu_cond_destroy(&s->wake);
    qemu_mutex_destroy(&s->lock);

    pcie_aer_exit(pci);
    pcie_cap_exit(pci);
    msix_uninit_exclusive_bar(pci);
}

/* Fault knobs. */

static void fqaccel_get_fault(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    FqaccelState *s = FQACCEL(obj);
    uintptr_t i = (uintptr_t)opaque;
    uint64_t value = s->early_fault[i];

    if (s->card) {
        value = card_fault_get(s->card, fqaccel_faults[i].fault);
    }
    visit_type_uint64(v, name, &value, errp);
}

static void fqaccel_set_fault(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    FqaccelState *s = FQACCEL(obj);
    uintptr_t i = (uintptr_t)opaque;
    uint64_t value;
    int ret;

    if (!visit_type_uint64(v, name, &value, errp)) {
        return;
    }
    trace_fqaccel_fault(s, name, value);
    if (!s->card) {
        s->early_fault[i] = value;
        s->early_fault_set[i] = true;
        return;
    }
    ret = card_fault_set(s->card, fqaccel_faults[i].fault, value);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s can't be %" PRIu64, name, value);
        return;
    }
    qemu_bh_schedule(s->bh);
}

/* Class. */

static const VMStateDescription fqaccel_vmstate = {
    .name = TYPE_FQACCEL,
    /* Images and activations would have to travel along. */
    .unmigratable = 1,
};

#if FQACCEL_QEMU(10, 0)
static const Property fqaccel_properties[] = {
#else
static Property fqaccel_properties[] = {
#endif
    DEFINE_PROP_SIZE("memory", FqaccelState, memory, 256 * MiB),
    DEFINE_PROP_UINT32("queues", FqaccelState, queues, 8),
    DEFINE_PROP_UINT32("lanes", FqaccelState, lanes, 1024),
    DEFINE_PROP_UINT32("clock-khz", FqaccelState, clock_khz, 500000),
    DEFINE_PROP_UINT32("workers", FqaccelState, workers, 0),
#if !FQACCEL_QEMU(10, 0)
    DEFINE_PROP_END_OF_LIST(),
#endif
};

static void fqaccel_class_init(ObjectClass *oc, FqaccelClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    uintptr_t i;

    pc->realize = fqaccel_realize;
    pc->exit = fqaccel_exit;
    pc->config_write = fqaccel_write_config;
    pc->vendor_id = FQA_PCI_VENDOR;
    pc->device_id = FQA_PCI_DEVICE;
    pc->class_id = FQA_PCI_CLASS >> 8;
    pc->revision = FQA_PCI_REVISION;

    dc->desc = "Card for networks in focused quantization";
    dc->vmsd = &fqaccel_vmstate;
#if FQACCEL_QEMU(9, 2)
    device_class_set_legacy_reset(dc, fqaccel_reset);
#else
    dc->reset = fqaccel_reset;
#endif
    device_class_set_props(dc, fqaccel_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);

    for (i = 0; i < ARRAY_SIZE(fqaccel_faults); i++) {
        object_class_property_add(oc, fqaccel_faults[i].name, "uint64",
                                  fqaccel_get_fault, fqaccel_set_fault, NULL,
                                  (void *)i);
        object_class_property_set_description(oc, fqaccel_faults[i].name,
                                              fqaccel_faults[i].description);
    }
}

static const TypeInfo fqaccel_info = {
    .name = TYPE_FQACCEL,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(FqaccelState),
    .class_init = fqaccel_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void fqaccel_register_types(void)
{
    type_register_static(&fqaccel_info);
}

type_init(fqaccel_register_types)
