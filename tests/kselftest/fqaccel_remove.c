// SPDX-License-Identifier: GPL-2.0
/*
 * The card goes and comes in the middle of work: unplugged, pulled out, unbound, removed,
 * reset, left running by somebody else. Processes of each kind work all the while. What they
 * had ends with a documented error, their mappings stay, and the next card
 * serves them. Needs QEMU's monitor.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define PICTURES	200
#define PATIENCE	120	/* seconds that a condition may take to come */

/* What a process does with the card. */
enum kind { SHORT_RUNS, LONG_RUNS, LOADS, POLLS, NR_KINDS };

/* Shared with the workers. */
struct tally {
	unsigned int rounds;	/* that ended well */
	unsigned int gone;	/* cards that it has outlived */
	unsigned int canceled;
	int line;		/* where it met what must not be, ... */
	int error;		/* ... and what */
};

TEST_PROGRAM_NEEDS(test_monitor_there(), "no monitor")

FIXTURE(removal)
{
	int monitor;
	struct test_data data;
	struct tally *tallies;
	struct fqaccel_info info;
	pid_t pids[NR_KINDS];
	int stop[2];
	unsigned int losses;	/* of the card, so far */
	unsigned long long backoff;
};

static bool there(void)
{
	int fd = test_open();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int reopen(struct test_rig *rig, const struct test_data *data)
{
	int ret;

	memset(rig, 0, sizeof(*rig));
	ret = test_rig_open(rig, data, PICTURES);
	if (!ret) {
		fill_input(rig, data);
		return 0;
	}
	if (rig->in.data && rig->in.data != MAP_FAILED)
		munmap(rig->in.data, rig->in.length);
	if (rig->fd >= 0)
		close(rig->fd);
	return ret;
}

FIXTURE_SETUP(removal)
{
	self->monitor = test_monitor_open();
	ASSERT_LE(0, self->monitor);
	ASSERT_EQ(0, test_card_info(&self->info));
	ASSERT_EQ(0, test_data_read(&self->data));
	self->tallies = mmap(NULL, NR_KINDS * sizeof(*self->tallies), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->tallies);
	ASSERT_EQ(0, change_parameter("backoff_max_ms", 1, &self->backoff));
}

FIXTURE_TEARDOWN(removal)
{
	struct test_rig rig;
	int ret;

	EXPECT_EQ(0, set_parameter("backoff_max_ms", self->backoff));
	/* Whatever happened: there is a card, it works, and nobody holds its memory. */
	EXPECT_TRUE(test_card_settles(&self->info));
	ret = reopen(&rig, &self->data);
	EXPECT_EQ(0, ret) {
		TH_LOG("the card says 0x%x", rig.model.card_status);
	}
	if (!ret) {
		EXPECT_EQ(0, run_right(&rig, &self->data));
		test_rig_close(&rig);
	}
	munmap(self->tallies, NR_KINDS * sizeof(*self->tallies));
	close(self->monitor);
}

#define GIVE_UP_UNLESS(condition, err)					\
	do {								\
		if (!(condition)) {					\
			tally->line = __LINE__;				\
			tally->error = (err);				\
			_exit(1);					\
		}							\
	} while (0)

static int polled(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) < 0 ? -errno : p.revents;
}

/* Everything is refused, but what is mapped stays. */
static void check_gone(struct test_rig *rig, const struct test_data *data, struct tally *tally)
{
	struct fqaccel_run run = test_rig_run(rig, 1);
	struct fqaccel_submit submit;
	struct fqaccel_model_load model;
	struct fqaccel_info info;
	struct fqaccel_wait wait;
	struct test_buffer buf;
	uint32_t queue;
	void *again;

	GIVE_UP_UNLESS(test_info(rig->fd, &info) == -ENODEV, 0);
	GIVE_UP_UNLESS(test_wait(rig->fd, rig->queue, 1, -1, &wait) == -ENODEV, 0);
	GIVE_UP_UNLESS(test_arm(rig->fd, rig->queue, 1) == -ENODEV, 0);
	GIVE_UP_UNLESS(test_submit(rig->fd, rig->queue, 0, &run, 1, &submit) == -ENODEV, 0);
	GIVE_UP_UNLESS(test_buffer(rig->fd, 1, 1, &buf) == -ENODEV, 0);
	GIVE_UP_UNLESS(test_queue(rig->fd, 1, &queue) == -ENODEV, 0);
	GIVE_UP_UNLESS(test_load(rig->fd, data->model, data->model_length, &model) == -ENODEV,
		       0);
	GIVE_UP_UNLESS(test_destroy(rig->fd, rig->queue) == -ENODEV, 0);
	GIVE_UP_UNLESS((polled(rig->fd, -1) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP), 0);
	again = mmap(NULL, rig->in.length, PROT_READ, MAP_SHARED, rig->fd, rig->in.offset);
	GIVE_UP_UNLESS(again == MAP_FAILED && errno == ENODEV, errno);
	memset(rig->in.data, 0x5a, rig->in.length);
	memset(rig->out.data, 0xa5, rig->out.length);
	GIVE_UP_UNLESS(rig->in.data[rig->in.length - 1] == 0x5a, 0);
	GIVE_UP_UNLESS(rig->out.data[rig->out.length - 1] == 0xa5, 0);
}

/* The run's end, or -ENODEV. A reset, and the next before it is done anew, may cancel it. */
static int settle(struct test_rig *rig, const struct test_data *data, uint32_t batch,
		  uint64_t sequence, struct tally *tally)
{
	struct fqaccel_wait wait;
	int ret = test_wait(rig->fd, rig->queue, sequence, PATIENCE * 1000, &wait);

	if (ret)
		return ret;
	if (wait.status == -ENODEV)
		return -ENODEV;
	if (wait.status == -ECANCELED) {
		tally->canceled++;
		return 0;
	}
	GIVE_UP_UNLESS(!wait.status, wait.status);
	GIVE_UP_UNLESS(output_right(rig, data, batch), -EILSEQ);
	return 0;
}

/* One round of a worker: 0, or what an ioctl said. */
static int work(enum kind kind, struct test_rig *rig, const struct test_data *data,
		struct tally *tally)
{
	uint32_t batch = kind == LONG_RUNS ? PICTURES : data->pictures;
	struct fqaccel_run run = test_rig_run(rig, batch);
	struct fqaccel_model_load model;
	struct fqaccel_submit submit;
	int ret, i;

	if (kind == LOADS) {
		ret = test_load(rig->fd, data->model, data->model_length, &model);
		return ret ?: test_destroy(rig->fd, model.handle);
	}
	for (i = 0; i < (kind == LONG_RUNS ? 4 : 1); i++) {
		ret = test_submit(rig->fd, rig->queue, 0, &run, 1, &submit);
		if (ret)
			return ret;
	}
	if (kind == POLLS) {
		ret = test_arm(rig->fd, rig->queue, submit.sequence);
		if (ret)
			return ret;
		GIVE_UP_UNLESS(polled(rig->fd, PATIENCE * 1000) > 0, -ETIMEDOUT);
	}
	return settle(rig, data, batch, submit.sequence, tally);
}

/* Until @stop hangs up: works with the card, and with the next one when it has gone. */
static void worker(enum kind kind, const struct test_data *data, int stop, struct tally *tally)
{
	struct test_rig rig;
	int ret;

	while (!polled(stop, 0)) {
		ret = reopen(&rig, data);
		if (ret == -ENOENT || ret == -ENXIO || ret == -ENODEV) {
			usleep(10000);
			continue;
		}
		GIVE_UP_UNLESS(!ret, ret);
		while (!ret && !polled(stop, 0)) {
			ret = work(kind, &rig, data, tally);
			tally->rounds += !ret;
		}
		GIVE_UP_UNLESS(!ret || ret == -ENODEV, ret);
		if (ret) {
			check_gone(&rig, data, tally);
			tally->gone++;
		}
		test_rig_close(&rig);
	}
	_exit(0);
}

static void start_workers(struct __test_metadata *_metadata, struct _test_data_removal *self)
{
	int i;

	memset(self->tallies, 0, NR_KINDS * sizeof(*self->tallies));
	ASSERT_EQ(0, pipe(self->stop));
	for (i = 0; i < NR_KINDS; i++) {
		self->pids[i] = fork();
		ASSERT_LE(0, self->pids[i]);
		if (!self->pids[i]) {
			close(self->stop[1]);
			worker(i, &self->data, self->stop[0], &self->tallies[i]);
		}
	}
	close(self->stop[0]);
}

static void end_workers(struct __test_metadata *_metadata, struct _test_data_removal *self)
{
	struct tally *tally;
	int i, status;

	close(self->stop[1]);
	for (i = 0; i < NR_KINDS; i++) {
		tally = &self->tallies[i];
		ASSERT_EQ(self->pids[i], waitpid(self->pids[i], &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("worker %d met %d at line %d", i, tally->error, tally->line);
		}
		TH_LOG("worker %d: %u rounds, %u canceled, %u cards gone", i, tally->rounds,
		       tally->canceled, tally->gone);
	}
}

/* True when all workers have done something more, or one has failed, which the end shows. */
static bool each_works(struct _test_data_removal *self)
{
	unsigned int before[NR_KINDS];
	int i, n;

	for (i = 0; i < NR_KINDS; i++)
		before[i] = __atomic_load_n(&self->tallies[i].rounds, __ATOMIC_RELAXED);
	for (n = 0; n < PATIENCE * 100; n++) {
		for (i = 0; i < NR_KINDS; i++)
			if (__atomic_load_n(&self->tallies[i].rounds, __ATOMIC_RELAXED) ==
			    before[i] && !self->tallies[i].line)
				break;
		if (i == NR_KINDS)
			return true;
		usleep(10000);
	}
	return false;
}

static bool each_has_outlived(struct _test_data_removal *self, unsigned int cards)
{
	int i, n;

	for (n = 0; n < PATIENCE * 100; n++) {
		for (i = 0; i < NR_KINDS; i++)
			if (__atomic_load_n(&self->tallies[i].gone, __ATOMIC_RELAXED) < cards &&
			    !self->tallies[i].line)
				break;
		if (i == NR_KINDS)
			return true;
		usleep(10000);
	}
	return false;
}

static int await_gone(const struct fqaccel_info *info)
{
	char path[100], address[32];
	int n;

	card_address(info, address, sizeof(address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	for (n = 0; n < PATIENCE * 100; n++) {
		if (access(path, F_OK) && access(test_device(), F_OK))
			return 0;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

static int unplug(struct _test_data_removal *self)
{
	return tell_monitor(self->monitor, "device_del card\n") ?: await_gone(&self->info);
}

/* The slot takes another card only some time after it has let go of the last. */
static int plug_in(struct _test_data_removal *self)
{
	int n, i;

	for (n = 0; n < PATIENCE / 2; n++) {
		tell_monitor(self->monitor, "device_add fqaccel,id=card,bus=rp0\n");
		for (i = 0; i < 20; i++) {
			if (there())
				return 0;
			usleep(100000);
		}
	}
	return -ETIMEDOUT;
}

/*
 * The card is taken away from workers that are at work, and given back. @take and @give: 0, or
 * what went wrong.
 */
static void take_and_give(struct __test_metadata *_metadata, struct _test_data_removal *self,
			  unsigned int times, int (*take)(struct _test_data_removal *self),
			  int (*give)(struct _test_data_removal *self))
{
	start_workers(_metadata, self);
	while (self->losses < times) {
		EXPECT_TRUE(each_works(self));
		self->losses++;
		ASSERT_EQ(0, take(self));
		EXPECT_TRUE(each_has_outlived(self, self->losses));
		ASSERT_EQ(0, give(self));
	}
	EXPECT_TRUE(each_works(self));
	end_workers(_metadata, self);
}

/* With notice: the driver meets a card that still answers. */
TEST_F_TIMEOUT(removal, unplugged, 300)
{
	take_and_give(_metadata, self, 10, unplug, plug_in);
}

static int silence(struct _test_data_removal *self)
{
	return set_fault(self->monitor, "gone", 1);
}

static int replug(struct _test_data_removal *self)
{
	return unplug(self) ?: plug_in(self);
}

/* Without: first nothing answers any more, then the slot tells. */
TEST_F_TIMEOUT(removal, pulled_out, 300)
{
	take_and_give(_metadata, self, 1, silence, replug);
}

static int unplug_in_a_reset(struct _test_data_removal *self)
{
	return set_fault(self->monitor, "corrupt-cqe", self->losses) ?: unplug(self);
}

/* In the middle of a reset that is not done at once. */
TEST_F_TIMEOUT(removal, unplugged_in_a_reset, 300)
{
	take_and_give(_metadata, self, 3, unplug_in_a_reset, plug_in);
}

static int unbind_driver(struct _test_data_removal *self)
{
	return write_driver("unbind", &self->info);
}

static int bind_driver(struct _test_data_removal *self)
{
	return write_driver("bind", &self->info);
}

/* The driver lets go and takes hold again. */
TEST_F_TIMEOUT(removal, unbound, 300)
{
	take_and_give(_metadata, self, 10, unbind_driver, bind_driver);
}

static int remove_function(struct _test_data_removal *self)
{
	return write_device("remove", &self->info) ?: await_gone(&self->info);
}

static int find_function(struct _test_data_removal *self)
{
	return write_file("/sys/bus/pci/rescan", "1") ?: (there() ? 0 : -ENODEV);
}

/* The kernel forgets the function, and finds it again. */
TEST_F_TIMEOUT(removal, removed_and_found, 300)
{
	take_and_give(_metadata, self, 3, remove_function, find_function);
}

/* Somebody resets the function again and again: nobody notices but for the time. */
TEST_F_TIMEOUT(removal, function_resets, 300)
{
	int i;

	start_workers(_metadata, self);
	for (i = 0; i < 10; i++) {
		EXPECT_TRUE(each_works(self));
		ASSERT_EQ(0, write_device("reset", &self->info));
	}
	EXPECT_TRUE(each_works(self));
	end_workers(_metadata, self);
	for (i = 0; i < NR_KINDS; i++)
		EXPECT_EQ(0, self->tallies[i].gone);
}

/* A process that is stopped while it waits for room in its queue. */
TEST_F_TIMEOUT(removal, unplugged_from_a_stopped_process, 300)
{
	unsigned long long hang_ms;
	struct fqaccel_submit submit;
	struct fqaccel_run run;
	struct test_rig rig;
	uint32_t full;
	int status;
	pid_t pid;

	ASSERT_EQ(0, change_parameter("hang_ms", 600000, &hang_ms));
	ASSERT_EQ(0, reopen(&rig, &self->data));
	ASSERT_EQ(0, test_queue(rig.fd, 1, &full));
	run = test_rig_run(&rig, 1);
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	ASSERT_EQ(0, test_submit(rig.fd, full, 0, &run, 1, &submit));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(test_submit(rig.fd, full, 0, &run, 1, &submit) == -ENODEV ? 0 : 1);
	usleep(300000);
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, unplug(self));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, set_parameter("hang_ms", hang_ms));
	test_rig_close(&rig);
	ASSERT_EQ(0, plug_in(self));
}

struct late {
	struct test_rig *rig;
	void *page;		/* that does not come */
	int ret;
};

static void *submit_late(void *data)
{
	struct late *late = data;
	struct fqaccel_submit submit;

	late->ret = test_submit(late->rig->fd, late->rig->queue, 0, late->page, 1, &submit);
	return NULL;
}

/* SUBMIT's runs lie in memory that does not come: removal does not wait for it. */
TEST_F_TIMEOUT(removal, unplugged_while_memory_is_late, 300)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { };
	size_t page = sysconf(_SC_PAGESIZE);
	struct test_rig rig;
	struct late late = { .rig = &rig };
	struct uffd_msg message;
	pthread_t thread;
	int uffd;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 && errno == ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	late.page = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, late.page);
	reg.range.start = (uintptr_t)late.page;
	reg.range.len = page;
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(0, reopen(&rig, &self->data));
	ASSERT_EQ(0, pthread_create(&thread, NULL, submit_late, &late));
	/* It is in the kernel, in the middle of its copy. */
	ASSERT_EQ(sizeof(message), read(uffd, &message, sizeof(message)));
	ASSERT_EQ(0, unplug(self));
	zero.range = reg.range;
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-ENODEV, late.ret);
	close(uffd);
	munmap(late.page, page);
	test_rig_close(&rig);
	ASSERT_EQ(0, plug_in(self));
}

#define REG_CONTROL	0x30	/* CARD.md section 3 */
#define REG_STATUS	0x34
#define REG_ADMIN_SIZE	0x38
#define REG_ADMIN_SQ	0x40
#define REG_ADMIN_CQ	0x48

/* A crashed kernel, say, has left the card enabled, with rings that are no longer its own. */
TEST_F_TIMEOUT(removal, left_running, 60)
{
	char path[100], address[32];
	volatile uint32_t *regs;
	int fd, n;

	card_address(&self->info, address, sizeof(address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", address);
	ASSERT_EQ(0, write_driver("unbind", &self->info));
	ASSERT_EQ(0, write_device("enable", &self->info));
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);
	regs = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)regs);
	/* The driver has left it quiet. */
	EXPECT_EQ(0, regs[REG_CONTROL / 4]);
	EXPECT_EQ(0, regs[REG_STATUS / 4]);
	regs[REG_ADMIN_SIZE / 4] = 15 << 16 | 15;
	regs[REG_ADMIN_SQ / 4] = 0x1000;
	regs[REG_ADMIN_SQ / 4 + 1] = 0;
	regs[REG_ADMIN_CQ / 4] = 0x2000;
	regs[REG_ADMIN_CQ / 4 + 1] = 0;
	regs[REG_CONTROL / 4] = 1;
	for (n = 0; n < 1000 && !(regs[REG_STATUS / 4] & 1); n++)
		usleep(10000);
	EXPECT_EQ(1, regs[REG_STATUS / 4]);
	munmap((void *)regs, sysconf(_SC_PAGESIZE));
	close(fd);
	ASSERT_EQ(0, write_driver("bind", &self->info));
	EXPECT_TRUE(there());
}

TEST_HARNESS_MAIN
