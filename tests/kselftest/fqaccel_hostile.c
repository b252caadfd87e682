// SPDX-License-Identifier: GPL-2.0
/*
 * Two users without privileges on one card: neither gets at what is the other's, nor takes
 * so much of the card that nothing is left for the other, nor keeps it from working for good.
 */
#include <dirent.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define INNOCENT	1001
#define HOSTILE		1000
#define BANNED		1002	/* whose uid is spent by its test */
#define GREEDY		1003	/* has nothing that is still being freed */

#define USER_OPENS	128	/* of a user; kernel/user.h */
#define USER_GUILT	6	/* hangs of a user within a minute */
#define PATTERN		0xa5
#define LONG_BATCH	32768
#define ENDLESS_BATCH	65536
#define MIB		(1024 * 1024)

/* What the hostile process and the test tell each other. */
struct shared {
	int step;
	int ready[3];
};

static void tell(int *to, int what)
{
	__atomic_store_n(to, what, __ATOMIC_RELEASE);
}

static int heard(const int *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

/* A process has taken all that it gets, and keeps it until it is killed. */
static void stay(struct shared *shared)
{
	tell(&shared->step, 1);
	for (;;)
		pause();
}

/* Anybody may open the card for a while; @mode: what its file's was. */
static int open_to_all(mode_t *mode)
{
	struct stat st;

	if (stat(test_device(), &st) || chmod(test_device(), 0666))
		return -errno;
	*mode = st.st_mode & 07777;
	return 0;
}

static struct shared *share(void)
{
	return mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void kill_child(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

FIXTURE(hostile)
{
	int fd;
	struct shared *shared;
	struct test_data data;
	struct fqaccel_info before;
	unsigned long long user_limit;
	mode_t mode;
	pid_t child;
};

FIXTURE_SETUP(hostile)
{
	if (geteuid())
		SKIP(return, "to become two users takes root");
	ASSERT_EQ(0, test_data_read(&self->data));
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->before));
	ASSERT_EQ(0, open_to_all(&self->mode));
	ASSERT_EQ(0, get_parameter("user_limit_mb", &self->user_limit));
	self->shared = share();
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(hostile)
{
	if (geteuid())
		return;
	kill_child(self->child);
	EXPECT_EQ(0, chmod(test_device(), self->mode));
	EXPECT_EQ(0, set_parameter("user_limit_mb", self->user_limit));
	EXPECT_TRUE(test_memory_settles(self->fd, self->before.memory_free));
	close(self->fd);
}

static void become_user(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		_exit(100);
}

/* A process of that user: 0 in it. */
static pid_t fork_user(uid_t uid)
{
	pid_t pid = fork();

	if (!pid)
		become_user(uid);
	return pid;
}

/* That process' exit status: 0, or what went wrong. */
static int finish_user(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* A line of the child's which failed. */
#define CHECK(condition)							\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);						\
		}								\
	} while (0)

static bool await_step(struct shared *shared, int step)
{
	int i;

	for (i = 0; i < 30000 && heard(&shared->step) < step; i++)
		usleep(2000);
	return heard(&shared->step) >= step;
}

/* Whether that user gets right results within a time that leaves room for others' turns. */
static int innocent_rounds(const struct test_data *data, int rounds, int seconds)
{
	pid_t pid = fork_user(INNOCENT);
	struct test_rig rig;
	int i;

	if (pid)
		return finish_user(pid);
	alarm(seconds);
	CHECK(!test_rig_open(&rig, data, data->pictures));
	fill_input(&rig, data);
	for (i = 0; i < rounds; i++)
		CHECK(!run_right(&rig, data));
	test_rig_close(&rig);
	_exit(0);
}

/* Another's handles and offsets are worth nothing, and what they name goes on as it was. */
TEST_F_TIMEOUT(hostile, handles_of_another, 120)
{
	struct fqaccel_submit submit;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	struct test_rig rig;
	uint32_t h;
	int fd;

	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	fill_input(&rig, &self->data);
	self->child = fork_user(HOSTILE);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		fd = test_open();
		CHECK(fd >= 0);
		close(rig.fd);
		run = test_rig_run(&rig, 1);
		for (h = 0; h < 64; h++) {
			CHECK(test_submit(fd, h, 0, &run, 1, &submit) == -ENOENT);
			CHECK(test_wait(fd, h, 1, 0, &wait) == -ENOENT);
			CHECK(test_destroy(fd, h) == -ENOENT);
			CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd,
				   (uint64_t)h << 36) == MAP_FAILED);
		}
		_exit(0);
	}
	EXPECT_EQ(0, finish_user(self->child));
	self->child = 0;
	EXPECT_EQ(0, run_right(&rig, &self->data));
	test_rig_close(&rig);
}

static bool all_zero(const uint8_t *data, size_t length)
{
	return !data[0] && !memcmp(data, data + 1, length - 1);
}

/* What one has written is gone from the memory that the next one gets. */
TEST_F_TIMEOUT(hostile, leftovers, 120)
{
	static const size_t lengths[] = { 4096, 65536, 65536 + 4096, 4 * MIB };
	struct test_buffer buf;
	unsigned int i, round;
	pid_t pid;
	int fd;

	for (round = 0; round < 4; round++) {
		pid = fork_user(round % 2 ? INNOCENT : HOSTILE);
		ASSERT_LE(0, pid);
		if (pid) {
			EXPECT_EQ(0, finish_user(pid));
			continue;
		}
		fd = test_open();
		for (i = 0; i < 32; i++) {
			CHECK(!test_buffer(fd, lengths[i % ARRAY_SIZE(lengths)],
					   FQACCEL_BUFFER_CARD_READS, &buf));
			CHECK(all_zero(buf.data, buf.length));
			memset(buf.data, PATTERN, buf.length);
			/* Half of them go now, the others with the file. */
			if (i % 2) {
				munmap(buf.data, buf.length);
				CHECK(!test_destroy(fd, buf.handle));
			}
		}
		_exit(0);
	}
}

/* Every range of layers, with input of zeros: what the card gives, and its statuses. */
static void probe_ranges(const struct test_data *data, uint8_t *out, size_t length)
{
	struct fqaccel_submit submit;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	struct test_rig rig;
	uint32_t first, count;
	size_t at = 0, bytes;

	CHECK(!test_rig_open(&rig, data, 4));
	bytes = data->output_bytes < 4000 ? data->output_bytes : 4000;
	for (first = 0; first < data->layers; first++) {
		for (count = 1; count <= data->layers - first && at + 4096 < length; count++) {
			memset(rig.out.data, TEST_POISON, rig.out.length);
			run = test_rig_run(&rig, 1);
			run.first_layer = first;
			run.layer_count = count;
			if (test_submit(rig.fd, rig.queue, 0, &run, 1, &submit))
				continue;
			CHECK(!test_wait(rig.fd, rig.queue, submit.sequence, 60000, &wait));
			out[at++] = -wait.status;
			/* Of a failed run nothing is promised but that it tells nothing. */
			memcpy(out + at, rig.out.data, bytes);
			at += bytes;
		}
	}
	test_rig_close(&rig);
}

/* What a run gives does not depend on what others have had the card compute. */
TEST_F_TIMEOUT(hostile, outputs_tell_nothing, 240)
{
	size_t length = MIB;
	struct test_rig rig;
	uint8_t *seen;
	int round, i;
	pid_t pid;

	seen = mmap(NULL, 2 * length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, seen);
	for (round = 0; round < 2; round++) {
		pid = fork_user(HOSTILE);
		ASSERT_LE(0, pid);
		if (!pid) {
			probe_ranges(&self->data, seen + round * length, length);
			_exit(0);
		}
		ASSERT_EQ(0, finish_user(pid));
		/* Somebody else's data, in all of the card's workers. */
		pid = fork_user(INNOCENT);
		ASSERT_LE(0, pid);
		if (!pid) {
			CHECK(!test_rig_open(&rig, &self->data, 64));
			memset(rig.in.data, PATTERN, rig.in.length);
			for (i = 0; i < 4; i++) {
				struct fqaccel_wait wait;

				CHECK(!run_once(&rig, 64, &wait));
			}
			test_rig_close(&rig);
			_exit(0);
		}
		ASSERT_EQ(0, finish_user(pid));
	}
	EXPECT_FALSE(all_zero(seen, length));
	EXPECT_EQ(0, memcmp(seen, seen + length, length));
	munmap(seen, 2 * length);
}

/* Half of the card's slots are the most that a user gets, however often it opens the card. */
TEST_F_TIMEOUT(hostile, slots, 240)
{
	struct fqaccel_model_load model;
	unsigned long long slots = get_counter("model_slots");
	unsigned long long loaded = 0;
	int fd = -1, ret = 0;

	ASSERT_LT(1, slots);
	self->child = fork_user(HOSTILE);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		while (!ret) {
			if (loaded % 16 == 0)
				fd = test_open();
			ret = test_load(fd, self->data.model, self->data.model_length, &model);
			loaded += !ret;
		}
		fprintf(stderr, "# %llu of %llu slots\n", loaded, slots);
		CHECK(ret == -ENOSPC);
		CHECK(loaded == slots / 2);
		stay(self->shared);
	}
	ASSERT_TRUE(await_step(self->shared, 1));
	EXPECT_EQ(0, innocent_rounds(&self->data, 1, 100));
}

/*
 * Memory that is never there: whoever reads it waits for good. Takes privileges, and is not
 * passed on by fork().
 */
static void *never(size_t length)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	void *at;

	at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || at == MAP_FAILED || ioctl(fd, UFFDIO_API, &api))
		return NULL;
	reg.range.start = (uintptr_t)at;
	reg.range.len = length;
	return ioctl(fd, UFFDIO_REGISTER, &reg) ? NULL : at;
}

struct stalled {
	int fd;
	void *image;
	uint64_t length;
};

static void *stalled_load(void *opaque)
{
	struct stalled *s = opaque;
	struct fqaccel_model_load model;

	test_load(s->fd, s->image, s->length, &model);
	return NULL;
}

/* Has charged its user for @s->length bytes of card memory, and will never be done with it. */
static void stall_load(struct stalled *s)
{
	struct fqaccel_info info;
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, stalled_load, s));
	do {
		usleep(10000);
		CHECK(!test_info(s->fd, &info));
	} while (info.memory_used < s->length);
}

/* Nor more than half of its memory. */
TEST_F_TIMEOUT(hostile, memory, 180)
{
	uint64_t half = self->before.memory_size / 2, some = half / 4;
	struct fqaccel_model_load model;
	struct stalled s;
	uint8_t *junk;
	pid_t pid;

	junk = mmap(NULL, 2 * some, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, junk);
	s.length = half - some;
	if (!never(4096))
		SKIP(return, "no userfaultfd");
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		s.image = never(s.length);
		CHECK(s.image);
		become_user(HOSTILE);
		s.fd = test_open();
		stall_load(&s);
		CHECK(test_load(test_open(), junk, 2 * some, &model) == -EDQUOT);
		CHECK(model.needed == 2 * some);
		CHECK(test_load(test_open(), junk, some, &model) == -EBADMSG);
		stay(self->shared);
	}
	ASSERT_TRUE(await_step(self->shared, 1));
	pid = fork_user(INNOCENT);
	ASSERT_LE(0, pid);
	if (!pid) {
		CHECK(test_load(test_open(), junk, 2 * some, &model) == -EBADMSG);
		_exit(0);
	}
	EXPECT_EQ(0, finish_user(pid));
	EXPECT_EQ(0, innocent_rounds(&self->data, 1, 60));
	munmap(junk, 2 * some);
}

/* The number of open files is limited for each user, but not while they are closed. */
TEST_F_TIMEOUT(hostile, opens, 120)
{
	int fds[USER_OPENS], i;
	pid_t pid;

	self->child = fork_user(HOSTILE);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		for (i = 0; i < USER_OPENS; i++) {
			fds[i] = test_open();
			CHECK(fds[i] >= 0);
		}
		CHECK(test_open() < 0 && errno == EMFILE);
		for (i = 0; i < USER_OPENS; i++) {
			close(fds[i]);
			fds[i] = test_open();
			CHECK(fds[i] >= 0);
		}
		stay(self->shared);
	}
	ASSERT_TRUE(await_step(self->shared, 1));
	pid = fork_user(INNOCENT);
	ASSERT_LE(0, pid);
	if (!pid) {
		CHECK(test_open() >= 0);
		_exit(0);
	}
	EXPECT_EQ(0, finish_user(pid));
}

/* Memory of the host's, too, is limited for all open files of a user together. */
TEST_F_TIMEOUT(hostile, buffers, 120)
{
	struct test_buffer buf;
	int fd, ret;
	pid_t pid;

	ASSERT_EQ(0, set_parameter("user_limit_mb", 16));
	self->child = fork_user(GREEDY);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		fd = test_open();
		ret = test_buffer(fd, 10 * MIB, FQACCEL_BUFFER_CARD_READS, &buf);
		CHECK(!ret);
		ret = test_buffer(fd, 10 * MIB, FQACCEL_BUFFER_CARD_READS, &buf);
		CHECK(ret == -ENOSPC);
		fd = test_open();
		ret = test_buffer(fd, 10 * MIB, FQACCEL_BUFFER_CARD_READS, &buf);
		CHECK(ret == -ENOSPC);
		ret = test_buffer(fd, 4 * MIB, FQACCEL_BUFFER_CARD_READS, &buf);
		CHECK(!ret);
		stay(self->shared);
	}
	EXPECT_TRUE(await_step(self->shared, 1));
	pid = fork_user(INNOCENT);
	ASSERT_LE(0, pid);
	if (!pid) {
		ret = test_buffer(test_open(), 10 * MIB, FQACCEL_BUFFER_CARD_READS, &buf);
		CHECK(!ret);
		_exit(0);
	}
	EXPECT_EQ(0, finish_user(pid));
}

/* Fill all queues of several open files with runs that never end. */
static void hog(const struct test_data *data, unsigned int opens)
{
	struct fqaccel_submit submit;
	struct fqaccel_run run;
	struct test_rig rig;
	unsigned int i;

	for (i = 0; i < opens; i++) {
		CHECK(!test_rig_open(&rig, data, ENDLESS_BATCH));
		run = test_rig_run(&rig, ENDLESS_BATCH);
		do {
			CHECK(!test_queue(rig.fd, 2, &rig.queue));
			CHECK(!test_submit(rig.fd, rig.queue, 0, &run, 1, &submit));
		} while (rig.queue % 8);
	}
}

/* Endless runs of one user leave the other its turns. */
TEST_F_TIMEOUT(hostile, endless_runs, 300)
{
	self->child = fork_user(HOSTILE);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		hog(&self->data, 4);
		stay(self->shared);
	}
	ASSERT_TRUE(await_step(self->shared, 1));
	EXPECT_EQ(0, innocent_rounds(&self->data, 5, 200));
}

/* Loading as fast as several processes can does not keep another from loading. */
TEST_F_TIMEOUT(hostile, endless_loads, 300)
{
	struct fqaccel_model_load model;
	int i, fd;

	self->child = fork_user(HOSTILE);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		for (i = 0; i < 7 && fork(); i++)
			;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = test_open();
		tell(&self->shared->step, 1);
		for (;;)
			if (!test_load(fd, self->data.model, self->data.model_length, &model))
				test_destroy(fd, model.handle);
	}
	ASSERT_TRUE(await_step(self->shared, 1));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, innocent_rounds(&self->data, 1, 90));
}

/* Processes that die with runs in progress, again and again. */
TEST_F_TIMEOUT(hostile, storm, 300)
{
	int status, i;
	pid_t pid;

	self->child = fork_user(HOSTILE);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		for (i = 0; i < 20; i++) {
			pid = fork();
			CHECK(pid >= 0);
			if (!pid) {
				hog(&self->data, 1);
				pause();
			}
			usleep(i * 20000);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			tell(&self->shared->step, 1);
		}
		_exit(0);
	}
	ASSERT_TRUE(await_step(self->shared, 1));
	EXPECT_EQ(0, innocent_rounds(&self->data, 5, 200));
	EXPECT_EQ(0, finish_user(self->child));
	self->child = 0;
}

static bool others_may_write(const char *folder, const char *name)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (lstat(path, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0002))
		return false;
	fprintf(stderr, "# %s: mode %o\n", path, st.st_mode & 07777);
	return true;
}

/* What there is to set is not theirs to set. */
TEST_F(hostile, administration)
{
	static const char * const folders[] = {
		"/sys/module/fqaccel/parameters", "/sys/class/fqaccel/fqaccel0",
		"/sys/class/fqaccel/fqaccel0/device",
	};
	struct dirent *entry;
	unsigned int i;
	DIR *dir;

	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		dir = opendir(folders[i]);
		ASSERT_NE(NULL, dir);
		while ((entry = readdir(dir)))
			EXPECT_FALSE(others_may_write(folders[i], entry->d_name));
		closedir(dir);
	}
}

FIXTURE(hostile_hang)
{
	int monitor;
	struct shared *shared;
	struct test_data data;
	struct test_rig rig;	/* keeps the card's models loaded, and looks on */
	unsigned long long parameters[3];
	mode_t mode;
	pid_t child;
};

static const char * const hang_parameters[] = { "hang_ms", "part_ms", "backoff_max_ms" };
static const unsigned int hang_values[] = { 400, 0, 1 };

FIXTURE_SETUP(hostile_hang)
{
	int i;

	self->monitor = test_monitor_open();
	if (geteuid() || self->monitor < 0)
		SKIP(return, "no monitor");
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, open_to_all(&self->mode));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, get_parameter(hang_parameters[i], &self->parameters[i]));
		ASSERT_EQ(0, set_parameter(hang_parameters[i], hang_values[i]));
	}
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, self->data.pictures));
	fill_input(&self->rig, &self->data);
	self->shared = share();
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(hostile_hang)
{
	int i;

	if (geteuid() || self->monitor < 0)
		return;
	kill_child(self->child);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, set_parameter(hang_parameters[i], self->parameters[i]));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_EQ(0, chmod(test_device(), self->mode));
	test_rig_close(&self->rig);
	close(self->monitor);
}

/* Submits a run whenever it is told to: the test has got the card ready to hang. */
static void hang_on_demand(struct shared *shared, const struct test_data *data, int times)
{
	struct fqaccel_wait wait;
	struct test_rig rig;
	int i;

	for (i = 0; i < times; i++) {
		/* A new open file for each: none of them is guilty often. */
		CHECK(!test_rig_open(&rig, data, 1));
		tell(&shared->ready[1], 1);
		CHECK(await_step(shared, 2 * i + 1));
		CHECK(!run_once(&rig, 1, &wait));
		CHECK(wait.status == -ETIMEDOUT);
		test_rig_close(&rig);
		tell(&shared->step, 2 * i + 2);
	}
	pause();
}

/* Also counts what is told of one that is still to come. */
static bool await_counter(const char *name, unsigned long long value)
{
	int i;

	for (i = 0; i < 3000 && get_counter(name) < value; i++)
		usleep(10000);
	return get_counter(name) >= value;
}

/*
 * A run that a hang has cost its first start has its second before the guilty user's next
 * runs, and so ends well, whatever these do.
 */
TEST_F_TIMEOUT(hostile_hang, second_start, 200)
{
	unsigned long long replays = get_counter("replays");
	struct fqaccel_submit submit;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	struct test_rig rig;
	pid_t innocent;

	self->child = fork_user(HOSTILE);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		hang_on_demand(self->shared, &self->data, 2);
		_exit(0);
	}
	while (!heard(&self->shared->ready[1]))
		usleep(10000);
	innocent = fork_user(INNOCENT);
	ASSERT_LE(0, innocent);
	if (!innocent) {
		CHECK(!test_rig_open(&rig, &self->data, LONG_BATCH));
		fill_input(&rig, &self->data);
		run = test_rig_run(&rig, LONG_BATCH);
		CHECK(!test_submit(rig.fd, rig.queue, 0, &run, 1, &submit));
		usleep(200000);
		tell(&self->shared->ready[0], 1);
		CHECK(!test_wait(rig.fd, rig.queue, submit.sequence, 150000, &wait));
		fprintf(stderr, "# the innocent run ended with %d\n", wait.status);
		CHECK(!wait.status && output_right(&rig, &self->data, LONG_BATCH));
		tell(&self->shared->ready[0], 2);
		_exit(0);
	}
	while (!heard(&self->shared->ready[0]))
		usleep(10000);
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	tell(&self->shared->step, 1);
	ASSERT_TRUE(await_counter("replays", replays + 1));
	ASSERT_TRUE(await_step(self->shared, 2));
	/* Once the second start has begun, what comes next hangs. */
	ASSERT_TRUE(await_counter("busy_ns", get_counter("busy_ns") + 1));
	usleep(300000);
	EXPECT_EQ(1, heard(&self->shared->ready[0]));
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	tell(&self->shared->step, 3);
	EXPECT_EQ(0, finish_user(innocent));
	/* Its turn comes, and it is nobody else's misfortune. */
	EXPECT_TRUE(await_step(self->shared, 4));
	EXPECT_EQ(replays + 1, get_counter("replays"));
}

/* Who hangs the card with one open file after the other is shut out of it, and nobody else. */
TEST_F_TIMEOUT(hostile_hang, banned, 200)
{
	struct fqaccel_submit submit;
	struct fqaccel_run run;
	struct test_rig rig;
	int i, log = test_log_open();
	pid_t pid;

	self->child = fork_user(BANNED);
	ASSERT_LE(0, self->child);
	if (!self->child) {
		hang_on_demand(self->shared, &self->data, USER_GUILT);
		_exit(0);
	}
	/* Another process of the same user's, which is not worth more than the user. */
	pid = fork_user(BANNED);
	ASSERT_LE(0, pid);
	if (!pid) {
		CHECK(!test_rig_open(&rig, &self->data, 1));
		tell(&self->shared->ready[2], 1);
		CHECK(await_step(self->shared, 2 * USER_GUILT));
		run = test_rig_run(&rig, 1);
		CHECK(test_submit(rig.fd, rig.queue, 0, &run, 1, &submit) == -EBADFD);
		CHECK(test_open() < 0 && errno == EBUSY);
		_exit(0);
	}
	while (!heard(&self->shared->ready[2]))
		usleep(10000);
	for (i = 0; i < USER_GUILT; i++) {
		ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
		tell(&self->shared->step, 2 * i + 1);
		ASSERT_TRUE(await_step(self->shared, 2 * i + 2));
	}
	EXPECT_EQ(0, finish_user(pid));
	EXPECT_LE(0, test_log_find(log, "closing all its open files"));
	close(log);
	EXPECT_EQ(0, innocent_rounds(&self->data, 1, 60));
}

TEST_HARNESS_MAIN
