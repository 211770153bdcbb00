#include "hub/hub_part.h"

#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 *   "raga-part 1 SIZE PIECE IDENTITY", blanks up to 95 bytes, a line break     96 bytes
 *   a byte a piece: '1' kept, '0' not
 */
enum { HEAD_BYTES = 96, HASH_SEED = 11 };

static void write_head(char head[HEAD_BYTES + 1], uint64_t size, const char *identity) {
    const int n = snprintf(head, HEAD_BYTES, "raga-part 1 %" PRIu64 " %u %016" PRIx64, size,
                           RG_PART_PIECE_BYTES, rg_hash(identity, strlen(identity), HASH_SEED));
    memset(head + n, ' ', (size_t)(HEAD_BYTES - n));
    head[HEAD_BYTES - 1] = '\n';
    head[HEAD_BYTES] = '\0';
}

static bool journal_path(char *out, size_t size, const char *path) {
    const int n = snprintf(out, size, "%s.journal", path);
    return n > 0 && (size_t)n < size;
}

static size_t pieces_of(uint64_t size) {
    return (size_t)(size / RG_PART_PIECE_BYTES + (size % RG_PART_PIECE_BYTES != 0));
}

static bool read_all(int fd, void *out, size_t size, off_t at) {
    for (size_t n = 0; n < size;) {
        const ssize_t got = pread(fd, (char *)out + n, size - n, at + (off_t)n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
    }
    return true;
}

static rg_status write_all(int fd, const void *data, size_t size, off_t at, rg_error *err) {
    for (size_t n = 0; n < size;) {
        const ssize_t put = pwrite(fd, (const char *)data + n, size - n, at + (off_t)n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return rg_fail(err, RG_E_IO, "cannot write the download: %s",
                           put < 0 && (errno == ENOSPC || errno == EDQUOT)
                               ? "no room is left; what is there is kept, and pulling again goes on"
                               : strerror(put < 0 ? errno : EIO));
        }
        n += (size_t)put;
    }
    return RG_OK;
}

// is the journal of this file, and the part there? Then its pieces; else false
static bool read_journal(int journal, const char *path, uint64_t size, const char *identity,
                         uint8_t *pieces, size_t n_pieces) {
    char want[HEAD_BYTES + 1], head[HEAD_BYTES + 1];
    struct stat part;
    write_head(want, size, identity);
    if (stat(path, &part) != 0 || !S_ISREG(part.st_mode) || (uint64_t)part.st_size != size ||
        !read_all(journal, head, HEAD_BYTES, 0) || memcmp(head, want, HEAD_BYTES) != 0 ||
        !read_all(journal, pieces, n_pieces, HEAD_BYTES)) {
        return false;
    }
    for (size_t i = 0; i < n_pieces; i++) {
        pieces[i] = pieces[i] == '1' ? RG_PART_KEPT : RG_PART_FREE;
    }
    return true;
}

rg_status rg_part_reset(rg_part *part, rg_error *err) {
    char zeros[4096];
    memset(zeros, '0', sizeof zeros);
    rg_status status = RG_OK;
    for (size_t i = 0; status == RG_OK && i < part->n_pieces; i += sizeof zeros) {
        const size_t left = part->n_pieces - i;
        status = write_all(part->journal, zeros, left < sizeof zeros ? left : sizeof zeros,
                           (off_t)(HEAD_BYTES + i), err);
    }
    memset(part->pieces, RG_PART_FREE, part->n_pieces);
    part->n_kept = 0;
    part->n_written = 0;
    return status;
}

// nothing is kept: the journal says so before the part changes
static rg_status begin(rg_part *part, const char *path, const char *identity, rg_error *err) {
    char head[HEAD_BYTES + 1];
    write_head(head, part->size, identity);
    if (ftruncate(part->journal, 0) != 0 || fdatasync(part->journal) != 0 ||
        ftruncate(part->fd, 0) != 0 || ftruncate(part->fd, (off_t)part->size) != 0) {
        return rg_fail(err, RG_E_IO, "cannot make %s: %s", path, strerror(errno));
    }
    const rg_status status = write_all(part->journal, head, HEAD_BYTES, 0, err);
    return status == RG_OK ? rg_part_reset(part, err) : status;
}

rg_status rg_part_open(rg_part *out, const rg_mem *mem, const char *path, uint64_t size,
                       const char *identity, rg_error *err) {
    char name[4096];
    rg_status status = RG_OK;
    rg_part part = {.mem = mem, .fd = -1, .journal = -1, .size = size, .n_pieces = pieces_of(size)};
    if (size > RG_PART_SIZE_MAX || !journal_path(name, sizeof name, path)) {
        return rg_fail(err, RG_E_LIMIT, "a file of %" PRIu64 " bytes cannot be pulled, limit %llu",
                       size, RG_PART_SIZE_MAX);
    }
    part.pieces = rg_new_array(mem, part.n_pieces + 1, 1);
    if (part.pieces == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu pieces", part.n_pieces);
        goto done;
    }
    part.journal = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (part.journal < 0) {
        status = rg_fail(err, RG_E_IO, "cannot open %s: %s", name, strerror(errno));
        goto done;
    }
    if (flock(part.journal, LOCK_EX | LOCK_NB) != 0) {
        status = rg_fail(err, RG_E_STATE, "another process is pulling this file: %s", path);
        goto done;
    }
    const bool is_there =
        read_journal(part.journal, path, size, identity, part.pieces, part.n_pieces);
    part.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (part.fd < 0) {
        status = rg_fail(err, RG_E_IO, "cannot open %s: %s", path, strerror(errno));
        goto done;
    }
    if (!is_there) {
        RG_TRY(begin(&part, path, identity, err));
    }
    for (size_t i = 0; i < part.n_pieces; i++) {
        part.n_kept += part.pieces[i] == RG_PART_KEPT;
    }
    *out = part;
    part = (rg_part){.fd = -1, .journal = -1};

done:
    if (part.fd >= 0) {
        close(part.fd);
    }
    if (part.journal >= 0) {
        close(part.journal);
    }
    rg_free(mem, part.pieces);
    return status;
}

void rg_part_close(rg_part *part) {
    if (part->pieces != NULL) {
        (void)!rg_part_sync(part, NULL);
        close(part->fd);
        close(part->journal);
        rg_free(part->mem, part->pieces);
        *part = (rg_part){.fd = -1, .journal = -1};
    }
}

rg_status rg_part_write(rg_part *part, uint64_t at, const void *data, size_t size, rg_error *err) {
    return write_all(part->fd, data, size, (off_t)at, err);
}

void rg_part_mark(rg_part *part, size_t i) {
    if (part->pieces[i] == RG_PART_TAKEN || part->pieces[i] == RG_PART_FREE) {
        part->pieces[i] = RG_PART_WRITTEN;
        part->n_written++;
    }
}

rg_status rg_part_sync(rg_part *part, rg_error *err) {
    rg_status status = RG_OK;
    if (part->n_written == 0) {
        return RG_OK;
    }
    if (fdatasync(part->fd) != 0) {
        return rg_fail(err, RG_E_IO, "cannot bring the download to the disk: %s", strerror(errno));
    }
    for (size_t i = 0; status == RG_OK && i < part->n_pieces && part->n_written > 0; i++) {
        if (part->pieces[i] == RG_PART_WRITTEN) {
            status = write_all(part->journal, "1", 1, (off_t)(HEAD_BYTES + i), err);
            if (status == RG_OK) {
                part->pieces[i] = RG_PART_KEPT;
                part->n_written--;
                part->n_kept++;
            }
        }
    }
    return status;
}

uint64_t rg_part_kept_bytes(const rg_mem *mem, const char *path, uint64_t size,
                            const char *identity) {
    char name[4096];
    uint64_t bytes = 0;
    const size_t n = pieces_of(size);
    if (size > RG_PART_SIZE_MAX || !journal_path(name, sizeof name, path)) {
        return 0;
    }
    const int journal = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint8_t *pieces = rg_new_array(mem, n + 1, 1);
    if (journal >= 0 && pieces != NULL && read_journal(journal, path, size, identity, pieces, n)) {
        const rg_part part = {.size = size};
        for (size_t i = 0; i < n; i++) {
            bytes += pieces[i] == RG_PART_KEPT ? rg_part_end(&part, i) - rg_part_begin(i) : 0;
        }
    }
    if (journal >= 0) {
        close(journal);
    }
    rg_free(mem, pieces);
    return bytes;
}

void rg_part_remove(const char *path) {
    char name[4096];
    (void)unlink(path);
    if (journal_path(name, sizeof name, path)) {
        (void)unlink(name);
    }
}
