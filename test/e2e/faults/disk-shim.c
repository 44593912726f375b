/* Makes a disk slow, stuck or broken for one process (LD_PRELOAD): fsync, fdatasync and msync do what the file named by DRILL_DISK says at that moment:
   "ok", "sleep MS", "hang" (until it says something else), or "eio". Source of the idea: libeatmydata, the other way round. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int trouble(void) {
  for (;;) {
    char word[32] = {0};
    const char *path = getenv("DRILL_DISK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, word, sizeof word - 1);
    close(fd);
    if (length <= 0 || strncmp(word, "ok", 2) == 0) return 0;
    if (strncmp(word, "eio", 3) == 0) return 1;
    if (strncmp(word, "sleep ", 6) == 0) {
      usleep((useconds_t)atoi(word + 6) * 1000);
      return 0;
    }
    usleep(20000);
  }
}

static int broken(void) {
  if (!trouble()) return 0;
  errno = EIO;
  return 1;
}

int fsync(int fd) { return broken() ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return broken() ? -1 : (int)syscall(SYS_fdatasync, fd); }
int msync(void *at, size_t bytes, int flags) { return broken() ? -1 : (int)syscall(SYS_msync, at, bytes, flags); }
