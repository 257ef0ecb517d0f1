/* The service that all peers run here: it tells when it started, and waits.
 *
 * It writes "NANOSECONDS PID NAME\n" to the FIFO $BENCH_EVENTS: the time of
 * CLOCK_MONOTONIC, and the name of the directory that it was started in.  With
 * $BENCH_CRASH it exits 1 then.
 *
 * `storm NUMBER' instead leaves NUMBER orphans to process 1, ends all at once, and
 * prints how many nanoseconds process 1 takes until it has reaped the last.
 *
 * `copy DIRECTORY' copies its input into files there, as cat would, and rotates them as
 * a logger does: on disk after 1,000,000 bytes, ten are kept.  It is the floor for these.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void tell(const char *fifo)
{
	char directory[4096], line[4200];
	int length, file = open(fifo, O_WRONLY | O_CLOEXEC);

	if (file < 0 || !getcwd(directory, sizeof directory))
		_exit(111);
	length = snprintf(line, sizeof line, "%lld %ld %s\n", now(), (long)getpid(),
	                  strrchr(directory, '/') + 1);
	if (write(file, line, length) != length)
		_exit(111);
	close(file);
}

/* How many children process 1 has: not more than a few hundred are counted. */
static int children_of_1(int list)
{
	char text[4096];
	int number = 0;
	ssize_t length = pread(list, text, sizeof text, 0);

	while (length > 0)
		number += text[--length] == ' ';
	return number;
}

static int storm(int number)
{
	int gate[2], born[2], status, before, list = open("/proc/1/task/1/children", O_RDONLY);
	struct timespec nap = {0, 200000};
	long long start;
	pid_t parent;
	char byte;

	if (list < 0 || pipe(gate) || pipe(born))
		return 111;
	before = children_of_1(list);
	if ((parent = fork()) == 0) {
		close(gate[1]);
		while (number-- > 0)
			switch (fork()) {
			case -1:
				_exit(111);
			case 0:
				close(born[1]);
				_exit(read(gate[0], &byte, 1) != 0);
			}
		_exit(0);
	}
	close(gate[0]);
	close(born[1]);
	/* They are orphans when their parent has ended, and wait when BORN has no writer. */
	if (parent < 0 || waitpid(parent, &status, 0) < 0 || status)
		return 111;
	while (read(born[0], &byte, 1) > 0)
		;
	start = now();
	close(gate[1]);
	while (children_of_1(list) > before)
		nanosleep(&nap, NULL);
	printf("%lld\n", now() - start);
	return 0;
}

static int copy(const char *directory)
{
	static char block[65536];
	int number = 0, file = -1;
	long size = 0;
	ssize_t length;
	char name[32];

	if (chdir(directory))
		return 111;
	while ((length = read(0, block, sizeof block)) > 0) {
		if (file < 0 && (file = open("current", O_WRONLY | O_CREAT | O_APPEND, 0644)) < 0)
			return 111;
		if (write(file, block, length) != length)
			return 111;
		if ((size += length) < 1000000)
			continue;
		snprintf(name, sizeof name, "@%d", number - 10);
		unlink(name);
		snprintf(name, sizeof name, "@%d", number++);
		if (fsync(file) || fchmod(file, 0744) || close(file) || rename("current", name))
			return 111;
		file = -1;
		size = 0;
	}
	return length < 0;
}

int main(int argc, char **argv)
{
	const char *fifo = getenv("BENCH_EVENTS");

	if (argc == 3 && !strcmp(argv[1], "storm"))
		return storm(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "copy"))
		return copy(argv[2]);
	if (fifo)
		tell(fifo);
	if (getenv("BENCH_CRASH"))
		return 1;
	for (;;)
		pause();
}
