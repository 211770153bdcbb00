#include "base/file.h"

#include "base/map_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static rg_status fail_errno(rg_error *err, const char *what, const char *path) {
    const rg_status status = errno == ENOENT || errno == ENOTDIR ? RG_E_NOT_FOUND : RG_E_IO;
    return rg_fail(err, status, "%s %s: %s", what, path, strerror(errno));
}

// opens a regular file; FIFOs and devices are refused without blocking on them
static rg_status open_regular(const char *path, int *fd, struct stat *info, rg_error *err) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0) {
        return fail_errno(err, "cannot open", path);
    }
    if (fstat(*fd, info) != 0) {
        const rg_status status = fail_errno(err, "cannot stat", path);
        close(*fd);
        return status;
    }
    if (!S_ISREG(info->st_mode)) {
        close(*fd);
        return rg_fail(err, RG_E_ARG, "%s is %s, not a file", path,
                       S_ISDIR(info->st_mode) ? "a directory" : "a device, FIFO or socket");
    }
    return RG_OK;
}

rg_status rg_file_map_open(const char *path, rg_file_map *out, rg_error *err) {
    struct stat info;
    int fd = -1;
    rg_status status = open_regular(path, &fd, &info, err);
    if (status != RG_OK) {
        return status;
    }
    rg_file_map map = {
        .mtime_ns = (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec,
        .inode = (uint64_t)info.st_ino,
    };
    if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            status = fail_errno(err, "cannot map", path);
        } else {
            map.bytes = (rg_bytes){data, (size_t)info.st_size};
            rg_map_guard_add(data, (size_t)info.st_size);
        }
    }
    close(fd);
    if (status == RG_OK) {
        *out = map;
    }
    return status;
}

void rg_file_map_close(rg_file_map *map) {
    if (map->bytes.data != NULL) {
        rg_map_guard_remove(map->bytes.data);
        munmap((void *)map->bytes.data, map->bytes.size);
    }
    *map = (rg_file_map){0};
}

void rg_file_map_forget(const rg_file_map *map) {
    if (map->bytes.data != NULL) {
        (void)madvise((void *)map->bytes.data, map->bytes.size, MADV_DONTNEED);
    }
}

bool rg_file_is_intact(const rg_file_map *map) {
    return map->bytes.data == NULL || rg_map_guard_is_intact(map->bytes.data);
}

rg_status rg_file_read(const rg_mem *mem, const char *path, size_t limit_bytes, rg_bytes *out,
                       rg_error *err) {
    struct stat info;
    int fd = -1;
    uint8_t *data = NULL;
    rg_status status = open_regular(path, &fd, &info, err);
    if (status != RG_OK) {
        return status;
    }
    const size_t size = (size_t)info.st_size;
    if (size > limit_bytes) {
        status = rg_fail(err, RG_E_LIMIT, "%s has %zu bytes, limit %zu", path, size, limit_bytes);
        goto done;
    }
    data = rg_alloc(mem, size + 1);
    if (data == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for the %zu bytes of %s", size, path);
        goto done;
    }
    for (size_t n_read = 0; n_read < size;) {
        const ssize_t n = read(fd, data + n_read, size - n_read);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            status = n < 0 ? fail_errno(err, "cannot read", path)
                           : rg_fail(err, RG_E_IO, "%s became shorter while being read", path);
            goto done;
        }
        n_read += (size_t)n;
    }
    data[size] = 0; // a terminator past the end, for the one reader in ten that wants a C string
    *out = (rg_bytes){data, size};
    data = NULL;

done:
    close(fd);
    rg_free(mem, data);
    return status;
}

rg_file_kind rg_file_kind_of(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return RG_FILE_NONE;
    }
    return S_ISREG(info.st_mode)   ? RG_FILE_REGULAR
           : S_ISDIR(info.st_mode) ? RG_FILE_DIRECTORY
                                   : RG_FILE_OTHER;
}

bool rg_file_is_same(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

rg_status rg_file_writer_open(rg_file_writer *w, const char *path, rg_error *err) {
    *w = (rg_file_writer){.fd = -1};
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof w->path) {
        return rg_fail(err, RG_E_ARG, "a path of %zu bytes cannot be written", size);
    }
    // the file that is moved here in the end would take the place of a device
    if (rg_file_kind_of(path) == RG_FILE_OTHER) {
        return rg_fail(err, RG_E_ARG, "%s is a device, FIFO or socket: it cannot be replaced",
                       path);
    }
    memcpy(w->path, path, size + 1);
    snprintf(w->temp_path, sizeof w->temp_path, "%s.XXXXXX", path);
    w->fd = mkostemp(w->temp_path, O_CLOEXEC);
    if (w->fd < 0) {
        return fail_errno(err, "cannot create a file beside", path);
    }
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(w->fd, 0666 & ~mask) != 0) {
        const rg_status status = fail_errno(err, "cannot set the mode of", w->temp_path);
        rg_file_writer_abort(w);
        return status;
    }
    return RG_OK;
}

rg_status rg_file_writer_put(rg_file_writer *w, const void *data, size_t size, rg_error *err) {
    const char *p = data;
    while (size != 0) {
        const ssize_t n = write(w->fd, p, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail_errno(err, "cannot write", w->path);
        }
        p += n;
        size -= (size_t)n;
    }
    return RG_OK;
}

// the rename itself must survive a power cut
static rg_status sync_folder(const char *path, rg_error *err) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL) {
        memcpy(folder, ".", 2);
    } else {
        memcpy(folder, size == 0 ? "/" : path, size == 0 ? 1 : size);
        folder[size == 0 ? 1 : size] = '\0';
    }
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(err, "cannot open the folder", folder);
    }
    // some file systems cannot sync a folder; that is theirs to answer for
    const int failed = fsync(fd) != 0 && errno != EINVAL;
    const rg_status status = failed ? fail_errno(err, "cannot sync the folder", folder) : RG_OK;
    close(fd);
    return status;
}

rg_status rg_file_writer_commit(rg_file_writer *w, rg_error *err) {
    rg_status status = RG_OK;
    if (fsync(w->fd) != 0) {
        status = fail_errno(err, "cannot sync", w->temp_path);
    } else if (rename(w->temp_path, w->path) != 0) {
        status = fail_errno(err, "cannot rename to", w->path);
    }
    if (status != RG_OK) {
        rg_file_writer_abort(w);
        return status;
    }
    close(w->fd);
    w->fd = -1;
    return sync_folder(w->path, err);
}

void rg_file_writer_abort(rg_file_writer *w) {
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temp_path);
        w->fd = -1;
    }
}

rg_status rg_file_write(const char *path, const void *data, size_t size, rg_error *err) {
    rg_file_writer w;
    rg_status status = rg_file_writer_open(&w, path, err);
    if (status == RG_OK) {
        status = rg_file_writer_put(&w, data, size, err);
        if (status == RG_OK) {
            return rg_file_writer_commit(&w, err);
        }
        rg_file_writer_abort(&w);
    }
    return status;
}

rg_status rg_path_join(char *out, size_t size, const char *dir, rg_str name, rg_error *err) {
    const size_t n = strlen(dir);
    const char *slash = n == 0 || dir[n - 1] == '/' ? "" : "/";
    const int written = snprintf(out, size, "%s%s%.*s", dir, slash, RG_FMT(name));
    if (written < 0 || (size_t)written >= size) {
        return rg_fail(err, RG_E_LIMIT, "the path of %.*s in %s is too long", RG_FMT(name), dir);
    }
    return RG_OK;
}

void rg_file_make_folders(char *path) {
    for (char *p = path + (path[0] != '\0'); *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(path, 0700);
            *p = '/';
        }
    }
}
