/* Copies of the reference models with a prediction head of random weights, for those that have
 * none. */
#pragma once

#include "base/file.h"
#include "format/gguf.h"
#include "format/safetensors_write.h"
#include "model/source.h"
#include "support/shared.h"

#include <math.h>
#include <unistd.h>

enum { MTP_TENSORS_MAX = 512, MTP_NAME_BYTES = 128 };

/** Tensors of a file that is being made, and the names and values that were made for them. */
typedef struct mtp_file {
    rg_tensor tensors[MTP_TENSORS_MAX];
    size_t n;
    void *owned[2 * MTP_TENSORS_MAX];
    size_t n_owned;
} mtp_file;

static inline void *mtp_own(mtp_file *f, size_t n, size_t size) {
    return f->owned[f->n_owned++] = calloc(n, size);
}

static inline const char *mtp_name(mtp_file *f, const char *a, const char *b) {
    char *name = mtp_own(f, 1, MTP_NAME_BYTES);
    snprintf(name, MTP_NAME_BYTES, "%s%s", a, b);
    return name;
}

static inline void mtp_put(mtp_file *f, const rg_tensor *t) {
    if (f->n == MTP_TENSORS_MAX) {
        abort();
    }
    f->tensors[f->n++] = *t;
}

/** A new f32 tensor of values between -size and size, or around 1. */
static inline void mtp_put_random(mtp_file *f, const char *name, size_t rows, size_t columns,
                                  double size, bool is_around_one) {
    rg_tensor t = {.name = rg_str_of(name),
                   .dtype = RG_DTYPE_F32,
                   .n_dims = columns == 0 ? 1 : 2,
                   .shape = {rows, columns}};
    const size_t n = rows * (columns == 0 ? 1 : columns);
    float *values = mtp_own(f, n, sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)(is_around_one + ((double)rand() / RAND_MAX * 2 - 1) * size);
    }
    t.data = values;
    t.bytes = n * sizeof *values;
    mtp_put(f, &t);
}

/** A tensor with the values of another in another order: as likely, and not the same. */
static inline void mtp_put_shuffled(mtp_file *f, const char *name, const rg_tensor *like) {
    const size_t size = like->bytes / rg_tensor_count(like);
    const size_t n = rg_tensor_count(like);
    char *data = mtp_own(f, n, size);
    for (size_t i = 0; i < n; i++) {
        memcpy(data + i * size, (const char *)like->data + (i + n / 3 + 1) % n * size, size);
    }
    rg_tensor t = *like;
    t.name = rg_str_of(name);
    t.data = data;
    mtp_put(f, &t);
}

// the block of the head, like layer `like` of the model
static inline void mtp_put_block(mtp_file *f, const rg_source *from, const char *like,
                                 const char *own) {
    for (size_t i = 0; i < rg_source_count(from); i++) {
        const rg_tensor *t = rg_source_at(from, i);
        const char *at = memmem(t->name.data, t->name.size, like, strlen(like));
        char rest[MTP_NAME_BYTES];
        mtp_put(f, t);
        if (at != NULL) {
            at += strlen(like);
            snprintf(rest, sizeof rest, "%.*s", (int)(t->name.data + t->name.size - at), at);
            mtp_put_shuffled(f, mtp_name(f, own, rest), t);
        }
    }
}

/**
 * Write the model of a reference folder to `dir` with a head as Qwen names it, or as DeepSeek does
 * where the last layer is `like` number 1 ("layers.1."). The source stays open for its tensors.
 */
static inline bool mtp_write_model(const char *folder, const char *dir, rg_source **from) {
    char path[1024], to[1024];
    rg_error err = {0};
    rg_bytes config = {0};
    mtp_file *f = calloc(1, sizeof *f);
    const bool is_qwen = strncmp(folder, "qwen", 4) == 0;
    snprintf(path, sizeof path, "%s/golden/%s", shared_folder(), folder);
    if (rg_source_open(rg_mem_heap(), path, from, &err) != RG_OK) {
        return false;
    }
    mtp_put_block(f, *from, is_qwen ? "layers.3." : "layers.1.",
                  is_qwen ? "mtp.layers.0." : "model.layers.2.");
    const size_t n = 64; // hidden size of all of them
    mtp_put_random(f, is_qwen ? "mtp.pre_fc_norm_embedding.weight" : "model.layers.2.enorm.weight",
                   n, 0, 0.3, !is_qwen);
    mtp_put_random(f, is_qwen ? "mtp.pre_fc_norm_hidden.weight" : "model.layers.2.hnorm.weight", n,
                   0, 0.3, !is_qwen);
    mtp_put_random(f, is_qwen ? "mtp.fc.weight" : "model.layers.2.eh_proj.weight", n, 2 * n, 0.15,
                   false);
    if (is_qwen) {
        mtp_put_random(f, "mtp.norm.weight", n, 0, 0.3, false);
    }
    snprintf(to, sizeof to, "%s/model.safetensors", dir);
    bool is_good = rg_safetensors_write(rg_mem_heap(), to, f->tensors, f->n, NULL, 0, NULL, NULL,
                                        &err) == RG_OK;
    static const char *const others[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                         "generation_config.json"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "%s/golden/%s/%s", shared_folder(), folder, others[i]);
        snprintf(to, sizeof to, "%s/%s", dir, others[i]);
        if (rg_file_read(rg_mem_heap(), path, 1 << 24, &config, &err) == RG_OK) {
            is_good = is_good && rg_file_write(to, config.data, config.size, &err) == RG_OK;
            rg_free(rg_mem_heap(), (void *)config.data);
        }
    }
    for (size_t i = 0; i < f->n_owned; i++) {
        free(f->owned[i]);
    }
    free(f);
    return is_good;
}

static inline void mtp_remove_model(const char *dir) {
    static const char *const names[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                        "generation_config.json", "model.safetensors"};
    char path[1024];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}
