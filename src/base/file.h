/* Files: whole-file reads, read-only mappings, atomic writes. Paths are C strings: they go to the
 * system. */
#pragma once

#include "base/mem.h"
#include "base/view.h"

/** A read-only mapping of a regular file. `bytes` is borrowed until rg_file_unmap. */
typedef struct rg_file_map {
    rg_bytes bytes;
    uint64_t mtime_ns;
    uint64_t inode;
} rg_file_map;

/**
 * Map a regular file for reading. An empty file gives an empty view.
 * A file that shrinks while mapped does not end the process: the pages that are gone read as zeros
 * and rg_file_is_intact() turns false.
 * Errors: RG_E_NOT_FOUND, RG_E_IO; RG_E_ARG when the path is a directory, FIFO or device.
 */
rg_status rg_file_map_open(const char *path, rg_file_map *out, rg_error *err) RG_MUST_CHECK;
void rg_file_map_close(rg_file_map *map);
/** Give the memory of the pages back to the system; they are read again when they are looked at. */
void rg_file_map_forget(const rg_file_map *map);
/** False once any page of the mapping was found missing. Threads: any thread. */
bool rg_file_is_intact(const rg_file_map *map);

/**
 * Read a whole regular file of at most limit_bytes.
 * @param out  receives the bytes, owned by the caller: rg_free(mem, (void *)out->data)
 * Errors: as rg_file_map_open; RG_E_LIMIT naming both sizes; RG_E_MEMORY.
 */
rg_status rg_file_read(const rg_mem *mem, const char *path, size_t limit_bytes, rg_bytes *out,
                       rg_error *err) RG_MUST_CHECK;

/** What stands at a path. */
typedef enum rg_file_kind {
    RG_FILE_NONE,
    RG_FILE_REGULAR,
    RG_FILE_DIRECTORY,
    RG_FILE_OTHER
} rg_file_kind;
rg_file_kind rg_file_kind_of(const char *path);
/** Are both there, and one file? */
bool rg_file_is_same(const char *a, const char *b);

/**
 * A file written beside its final name and moved there only when complete: a crash leaves the old
 * one. Threads: one at a time per object.
 */
typedef struct rg_file_writer {
    int fd;
    char path[4096];
    char temp_path[4096 + 16];
} rg_file_writer;

/** Errors: RG_E_ARG (no path, or a device, FIFO or socket stands there), RG_E_IO. */
rg_status rg_file_writer_open(rg_file_writer *w, const char *path, rg_error *err) RG_MUST_CHECK;
rg_status rg_file_writer_put(rg_file_writer *w, const void *data, size_t size,
                             rg_error *err) RG_MUST_CHECK;
/** fsync, rename, fsync of the folder. The writer is closed whatever happens. */
rg_status rg_file_writer_commit(rg_file_writer *w, rg_error *err) RG_MUST_CHECK;
/** Drop what was written; nothing happens when the writer is closed already. */
void rg_file_writer_abort(rg_file_writer *w);

/** Write a whole file atomically. */
rg_status rg_file_write(const char *path, const void *data, size_t size,
                        rg_error *err) RG_MUST_CHECK;

/** out = dir + "/" + name. Errors: RG_E_LIMIT when it does not fit in size bytes. */
rg_status rg_path_join(char *out, size_t size, const char *dir, rg_str name,
                       rg_error *err) RG_MUST_CHECK;

/** Make each folder that a path lies in and that is not there yet, for the user alone. What cannot
 * be made shows when the file is. @param path  changed and restored during the call */
void rg_file_make_folders(char *path);
