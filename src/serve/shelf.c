#include "serve/shelf.h"

#include <stdio.h>

void rg_shelf_init(rg_shelf *shelf, const rg_mem *mem) {
    *shelf = (rg_shelf){.mem = mem};
    pthread_mutex_init(&shelf->lock, NULL);
}

static void free_seen(rg_shelf *shelf, rg_seen *seen) {
    raga_picture_free(seen->picture);
    rg_free(shelf->mem, seen->file);
    rg_free(shelf->mem, seen);
}

// with the lock held: one holder less
static void let_go(rg_shelf *shelf, rg_seen *seen) {
    if (--seen->n_holders == 0) {
        free_seen(shelf, seen);
    }
}

void rg_shelf_clear(rg_shelf *shelf) {
    for (size_t i = 0; i < RG_SHELF_PICTURES_MAX; i++) {
        if (shelf->items[i] != NULL) {
            let_go(shelf, shelf->items[i]);
        }
    }
    pthread_mutex_destroy(&shelf->lock);
}

void rg_shelf_release(rg_shelf *shelf, rg_seen *seen) {
    if (seen != NULL) {
        pthread_mutex_lock(&shelf->lock);
        let_go(shelf, seen);
        pthread_mutex_unlock(&shelf->lock);
    }
}

static rg_seen *find(rg_shelf *shelf, size_t owner, rg_str file) {
    rg_seen *found = NULL;
    pthread_mutex_lock(&shelf->lock);
    for (size_t i = 0; i < RG_SHELF_PICTURES_MAX && found == NULL; i++) {
        rg_seen *s = shelf->items[i];
        if (s != NULL && s->owner == owner && rg_str_eq((rg_str){s->file, s->size}, file)) {
            s->used = ++shelf->n_uses;
            s->n_holders++;
            found = s;
        }
    }
    pthread_mutex_unlock(&shelf->lock);
    return found;
}

// with the lock held: a free place; SIZE_MAX: there is none
static size_t find_place(const rg_shelf *shelf) {
    for (size_t i = 0; i < RG_SHELF_PICTURES_MAX; i++) {
        if (shelf->items[i] == NULL) {
            return i;
        }
    }
    return SIZE_MAX;
}

// with the lock held: the one unused for longest goes, where there is one
static void drop_oldest(rg_shelf *shelf) {
    size_t oldest = SIZE_MAX;
    for (size_t i = 0; i < RG_SHELF_PICTURES_MAX; i++) {
        if (shelf->items[i] != NULL &&
            (oldest == SIZE_MAX || shelf->items[i]->used < shelf->items[oldest]->used)) {
            oldest = i;
        }
    }
    if (oldest != SIZE_MAX) {
        shelf->n_bytes -= shelf->items[oldest]->size;
        let_go(shelf, shelf->items[oldest]);
        shelf->items[oldest] = NULL;
    }
}

static void keep(rg_shelf *shelf, rg_seen *seen) {
    if (seen->size > RG_SHELF_BYTES_MAX) {
        return;
    }
    pthread_mutex_lock(&shelf->lock);
    while (shelf->n_bytes + seen->size > RG_SHELF_BYTES_MAX || find_place(shelf) == SIZE_MAX) {
        drop_oldest(shelf);
    }
    shelf->items[find_place(shelf)] = seen;
    shelf->n_bytes += seen->size;
    seen->used = ++shelf->n_uses;
    seen->n_holders++;
    pthread_mutex_unlock(&shelf->lock);
}

raga_status rg_shelf_look(rg_shelf *shelf, raga_model *model, size_t owner, rg_str file,
                          rg_seen **out, raga_error *err) {
    *out = find(shelf, owner, file);
    if (*out != NULL) {
        return RAGA_OK;
    }
    rg_seen *seen = rg_new(shelf->mem, sizeof *seen);
    char *copy = rg_alloc(shelf->mem, file.size + 1);
    if (seen == NULL || copy == NULL) {
        rg_free(shelf->mem, seen);
        rg_free(shelf->mem, copy);
        err->status = RAGA_E_MEMORY;
        snprintf(err->text, sizeof err->text, "no memory for a picture of %zu bytes", file.size);
        return RAGA_E_MEMORY;
    }
    if (file.size != 0) {
        memcpy(copy, file.data, file.size);
    }
    *seen = (rg_seen){.n_holders = 1, .owner = owner, .file = copy, .size = file.size};
    const raga_status status = raga_picture_read(model, copy, file.size, 0, &seen->picture, err);
    if (status != RAGA_OK) {
        free_seen(shelf, seen);
        return status;
    }
    keep(shelf, seen);
    *out = seen;
    return RAGA_OK;
}
