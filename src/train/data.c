#include "train/data.h"

#include "base/file.h"
#include "base/map.h"
#include "base/rng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WAITING_MAX = 64,           // samples that wait for a row that they fit in
    AROUND = 64 << 10,          // bytes that the system brings in when one is looked at
    RESIDENT = 64 << 20,        // bytes of files that stay in memory, about
    BAD_IN_A_ROW_MAX = 1000000, // lines without a sample before an end is called
};

/** A sample that waits: sample `part` of a line. */
typedef struct waiting {
    uint64_t place;
    uint32_t part;
    size_t n; // ids
    int32_t *ids;
    uint8_t *is_learnt;
} waiting;

/** A walk over lines that fills rows. */
typedef struct packer {
    const uint64_t *places;
    size_t n_places;
    bool is_endless; // begins again at the end, in another order
    size_t next;
    uint64_t epoch;
    waiting waiting[WAITING_MAX];
    size_t n_waiting;
    uint32_t skip; // samples of the line at `next` that were taken before (after a restore)
} packer;

struct rg_data {
    const rg_mem *mem;
    const rg_sample_reader *reader;
    rg_data_options options;
    char **names;
    rg_file_map *maps;
    size_t n_files;
    uint64_t *places; // of lines of training, in the order of this epoch, then those of validation
    size_t n_train;
    size_t n_valid;
    uint64_t shuffled; // epochs whose order is in `places`
    packer train;
    packer valid;
    size_t n_resident;  // bytes looked at since pages were given back
    rg_samples samples; // of the line read last
    rg_data_facts facts;
};

// ---- files ----

static rg_status add_file(rg_data *d, const char *path, rg_error *err) {
    if (d->n_files == RG_DATA_FILES_MAX) {
        return rg_fail(err, RG_E_LIMIT, "more than %d files of data", RG_DATA_FILES_MAX);
    }
    const size_t n = strlen(path) + 1;
    char *name = rg_alloc(d->mem, n);
    if (name == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a path");
    }
    memcpy(name, path, n);
    const rg_status status = rg_file_map_open(path, &d->maps[d->n_files], err);
    if (status != RG_OK) {
        rg_free(d->mem, name);
        return status;
    }
    d->names[d->n_files++] = name;
    if (d->maps[d->n_files - 1].bytes.size >> (64 - RG_DATA_FILE_BITS) != 0) {
        return rg_fail(err, RG_E_LIMIT, "%s is too large", path);
    }
    return RG_OK;
}

static int is_jsonl(const struct dirent *e) {
    return rg_str_ends(rg_str_of(e->d_name), RG_STR(".jsonl"));
}

static rg_status add_dir(rg_data *d, const char *path, rg_error *err) {
    struct dirent **list = NULL;
    rg_status status = RG_OK;
    const int n = scandir(path, &list, is_jsonl, alphasort);
    if (n < 0) {
        return rg_fail(err, RG_E_IO, "cannot read directory %s", path);
    }
    for (int i = 0; i < n; i++) {
        char file[4096];
        if (status == RG_OK) {
            status = rg_path_join(file, sizeof file, path, rg_str_of(list[i]->d_name), err);
        }
        if (status == RG_OK) {
            status = add_file(d, file, err);
        }
        free(list[i]);
    }
    free(list);
    return n == 0 ? rg_fail(err, RG_E_NOT_FOUND, "%s holds no .jsonl file", path) : status;
}

static rg_status add_files(rg_data *d, rg_error *err) {
    rg_status status = RG_OK;
    for (size_t i = 0; i < d->options.n_paths && status == RG_OK; i++) {
        const char *path = d->options.paths[i];
        status = rg_file_kind_of(path) == RG_FILE_DIRECTORY ? add_dir(d, path, err)
                                                            : add_file(d, path, err);
    }
    return status;
}

// ---- lines ----

static rg_str line_at(const rg_data *d, uint64_t place) {
    const rg_bytes file = d->maps[place >> (64 - RG_DATA_FILE_BITS)].bytes;
    const size_t at = (size_t)(place & (UINT64_MAX >> RG_DATA_FILE_BITS));
    const uint8_t *end = memchr(file.data + at, '\n', file.size - at);
    return (rg_str){(const char *)file.data + at,
                    end == NULL ? file.size - at : (size_t)(end - (file.data + at))};
}

// files may be larger than memory: what was looked at is given back
static void count_resident(const rg_data *d, size_t *n_resident, size_t bytes) {
    *n_resident += bytes;
    if (*n_resident > RESIDENT) {
        for (size_t i = 0; i < d->n_files; i++) {
            rg_file_map_forget(&d->maps[i]);
        }
        *n_resident = 0;
    }
}

static bool is_blank(rg_str line) {
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

// every line that is not blank; with `places` NULL they are only counted
static void walk_file(rg_data *d, size_t file, uint64_t *train, uint64_t *valid) {
    const rg_bytes bytes = d->maps[file].bytes;
    for (size_t at = 0; at < bytes.size;) {
        const uint64_t place = (uint64_t)file << (64 - RG_DATA_FILE_BITS) | at;
        const rg_str line = line_at(d, place);
        at += line.size + 1;
        count_resident(d, &d->n_resident, line.size + 1);
        if (is_blank(line)) {
            continue;
        }
        // 53 bits of the hash against the share: the same line is always on the same side
        const uint64_t hash = rg_hash(line.data, line.size, 0);
        const bool is_valid = (double)(hash >> 11) * 0x1p-53 < d->options.valid_share;
        d->facts.hash += hash;
        if (is_valid) {
            if (valid != NULL) {
                valid[d->n_valid] = place;
            }
            d->n_valid++;
        } else {
            if (train != NULL) {
                train[d->n_train] = place;
            }
            d->n_train++;
        }
    }
}

static rg_status find_lines(rg_data *d, rg_error *err) {
    for (size_t i = 0; i < d->n_files; i++) {
        walk_file(d, i, NULL, NULL);
    }
    const size_t n_train = d->n_train;
    const size_t n = n_train + d->n_valid;
    if (n_train == 0) {
        return rg_fail(err, RG_E_ARG, "there is no line to learn from in %zu files", d->n_files);
    }
    d->places = rg_new_array(d->mem, n, sizeof *d->places);
    if (d->places == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for the places of %zu lines", n);
    }
    d->n_train = d->n_valid = 0;
    d->facts.hash = 0;
    for (size_t i = 0; i < d->n_files; i++) {
        walk_file(d, i, d->places, d->places + n_train);
    }
    d->facts.n_files = d->n_files;
    d->facts.n_lines = n;
    d->facts.n_valid = d->n_valid;
    return RG_OK;
}

static size_t line_number(const rg_data *d, uint64_t place) {
    const uint8_t *data = d->maps[place >> (64 - RG_DATA_FILE_BITS)].bytes.data;
    const size_t at = (size_t)(place & (UINT64_MAX >> RG_DATA_FILE_BITS));
    size_t n = 1;
    for (size_t i = 0; i < at; i++) {
        n += data[i] == '\n';
    }
    return n;
}

// the order of the next epoch: Fisher and Yates, each epoch from the order of the one before
static void shuffle(rg_data *d) {
    rg_rng rng;
    rg_rng_init(&rng, d->options.seed + d->shuffled * 0x9E3779B97F4A7C15u);
    for (size_t i = d->n_train; i > 1; i--) {
        const size_t k = (size_t)(rg_rng_uniform(&rng) * (double)i);
        const uint64_t place = d->places[i - 1];
        d->places[i - 1] = d->places[k];
        d->places[k] = place;
    }
    d->shuffled++;
}

// ---- samples ----

static void drop(const rg_data *d, waiting *w) {
    rg_free(d->mem, w->ids);
    rg_free(d->mem, w->is_learnt);
    *w = (waiting){0};
}

static rg_status bad_line(rg_data *d, uint64_t place, bool is_first_epoch, rg_error *err) {
    const char *file = d->names[place >> (64 - RG_DATA_FILE_BITS)];
    if (err->status == RG_E_MEMORY) {
        return err->status;
    }
    if (d->options.is_strict) {
        rg_error_prefix(err, "%s:%zu", file, line_number(d, place));
        return err->status;
    }
    d->facts.n_bad += is_first_epoch ? 1 : 0;
    if (is_first_epoch && d->options.warn != NULL) {
        d->options.warn(d->options.warn_arg, file, line_number(d, place), err->text);
    }
    return RG_OK;
}

// ids [from, to) of the samples read last wait, if anything of them is learnt
static rg_status put_waiting(rg_data *d, packer *p, uint64_t place, uint32_t part, size_t from,
                             size_t to, rg_error *err) {
    const size_t n = to - from;
    const uint8_t *flags = (const uint8_t *)d->samples.is_learnt.data + from;
    if (n < 2 || memchr(flags + 1, 1, n - 1) == NULL) {
        return RG_OK;
    }
    waiting *w = &p->waiting[p->n_waiting];
    *w = (waiting){.place = place, .part = part, .n = n};
    w->ids = rg_alloc(d->mem, n * sizeof *w->ids);
    w->is_learnt = rg_alloc(d->mem, n);
    if (w->ids == NULL || w->is_learnt == NULL) {
        drop(d, w);
        return rg_fail(err, RG_E_MEMORY, "no memory for a sample of %zu tokens", n);
    }
    memcpy(w->ids, rg_ids_data(&d->samples.ids) + from, n * sizeof *w->ids);
    memcpy(w->is_learnt, flags, n);
    p->n_waiting++;
    return RG_OK;
}

// the pieces that a line gives: samples, and pieces of running text that overlap by one token, so
// that every token but the first is learnt
static rg_status cut_samples(rg_data *d, packer *p, uint64_t place, uint32_t only, bool *is_full,
                             rg_error *err) {
    const size_t most = d->options.seq_len + 1;
    const size_t n = rg_samples_count(&d->samples);
    uint32_t part = 0;
    size_t from = 0;
    *is_full = false;
    for (size_t i = 0; i < n; i++) {
        size_t end;
        memcpy(&end, d->samples.ends.data + i * sizeof end, sizeof end);
        for (bool is_more = true; is_more; part++) {
            const size_t to = end - from > most ? from + most : end;
            is_more = to < end && d->samples.is_text;
            if (part >= p->skip && (only == UINT32_MAX || part == only)) {
                if (p->n_waiting == WAITING_MAX) {
                    p->skip = part; // the rest of the line waits for room
                    *is_full = true;
                    return RG_OK;
                }
                d->facts.n_cut += to < end && !d->samples.is_text ? 1 : 0;
                const rg_status status = put_waiting(d, p, place, part, from, to, err);
                if (status != RG_OK) {
                    return status;
                }
            }
            from = is_more ? to - 1 : end;
        }
    }
    return RG_OK;
}

static rg_status read_line(rg_data *d, uint64_t place, rg_error *err) {
    rg_samples_reset(&d->samples);
    const rg_str line = line_at(d, place);
    rg_status status = rg_samples_read(d->reader, line, &d->samples, err);
    count_resident(d, &d->n_resident, line.size + AROUND);
    const size_t n = rg_samples_count(&d->samples);
    size_t from = 0;
    for (size_t i = 0; i < n && status == RG_OK && d->options.refuses_long; i++) {
        size_t end;
        memcpy(&end, d->samples.ends.data + i * sizeof end, sizeof end);
        if (end - from > d->options.seq_len + 1 && !d->samples.is_text) {
            status = rg_fail(err, RG_E_LIMIT, "a sample of %zu tokens, rows have %zu", end - from,
                             d->options.seq_len);
        }
        from = end;
    }
    return status;
}

// lines become waiting samples until there are enough
static rg_status refill(rg_data *d, packer *p, rg_error *err) {
    size_t n_vain = 0;
    while (p->n_waiting < WAITING_MAX) {
        if (p->next == p->n_places) {
            if (!p->is_endless) {
                return RG_OK;
            }
            p->next = 0;
            p->epoch++;
            shuffle(d);
            d->facts.epoch = p->epoch;
        }
        const uint64_t place = p->places[p->next];
        const size_t before = p->n_waiting;
        bool is_full = false;
        rg_error why = {0};
        rg_status status = read_line(d, place, &why);
        if (status == RG_OK) {
            status = cut_samples(d, p, place, UINT32_MAX, &is_full, err);
        } else {
            status = bad_line(d, place, p->is_endless && p->epoch == 0, &why);
            if (status != RG_OK) {
                *err = why;
            }
        }
        if (status != RG_OK || is_full) {
            return status;
        }
        p->next++;
        p->skip = 0;
        n_vain = p->n_waiting == before ? n_vain + 1 : 0;
        if (n_vain > p->n_places || n_vain > BAD_IN_A_ROW_MAX) {
            return rg_fail(err, RG_E_FORMAT,
                           "none of %zu lines in a row can be learnt from; the "
                           "last: %s",
                           n_vain, why.text[0] == '\0' ? "too short" : why.text);
        }
    }
    return RG_OK;
}

// ---- rows ----

// a sample's inputs are all its tokens but the last
static void place_sample(const waiting *w, const rg_fit_pass *out, size_t at) {
    for (size_t i = 0; i + 1 < w->n; i++) {
        out->ids[at + i] = w->ids[i];
        out->targets[at + i] = w->is_learnt[i + 1] != 0 ? w->ids[i + 1] : -100;
        out->positions[at + i] = (int32_t)i;
    }
}

static void pad(const rg_fit_pass *out, size_t at, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out->ids[at + i] = 0;
        out->targets[at + i] = -100;
        out->positions[at + i] = (int32_t)i;
    }
}

static rg_status fill_row(rg_data *d, packer *p, const rg_fit_pass *out, size_t at, size_t *n_used,
                          rg_error *err) {
    const size_t seq_len = d->options.seq_len;
    size_t used = 0;
    for (bool is_more = true; is_more;) {
        const rg_status status = refill(d, p, err);
        if (status != RG_OK) {
            return status;
        }
        is_more = false;
        for (size_t i = 0; i < p->n_waiting && !is_more; i++) {
            waiting *w = &p->waiting[i];
            if (w->n - 1 <= seq_len - used) {
                place_sample(w, out, at + used);
                used += w->n - 1;
                drop(d, w);
                memmove(w, w + 1, (p->n_waiting - i - 1) * sizeof *w);
                p->n_waiting--;
                is_more = used < seq_len;
                break;
            }
        }
    }
    pad(out, at + used, seq_len - used);
    *n_used = used;
    return RG_OK;
}

static rg_status next_pass(void *self, const rg_fit_pass *out, rg_error *err) {
    rg_data *d = self;
    for (size_t r = 0; r < d->options.n_rows; r++) {
        size_t n_used = 0;
        const rg_status status = fill_row(d, &d->train, out, r * d->options.seq_len, &n_used, err);
        if (status != RG_OK) {
            return status;
        }
        d->facts.n_tokens += n_used;
    }
    return RG_OK;
}

static void clear_packer(const rg_data *d, packer *p) {
    for (size_t i = 0; i < p->n_waiting; i++) {
        drop(d, &p->waiting[i]);
    }
    p->n_waiting = 0;
    p->next = 0;
    p->skip = 0;
}

// validation goes through its lines in their order; pass 0 begins again
static rg_status valid_pass(void *self, size_t i, const rg_fit_pass *out, bool *is_there,
                            rg_error *err) {
    rg_data *d = self;
    size_t n_all = 0;
    if (i == 0) {
        clear_packer(d, &d->valid);
    }
    for (size_t r = 0; r < d->options.n_rows; r++) {
        size_t n_used = 0;
        const rg_status status = fill_row(d, &d->valid, out, r * d->options.seq_len, &n_used, err);
        if (status != RG_OK) {
            return status;
        }
        n_all += n_used;
    }
    *is_there = n_all > 0;
    return RG_OK;
}

// ---- going on ----

static void save(void *self, rg_buf *out) {
    const rg_data *d = self;
    const packer *p = &d->train;
    rg_buf_format(out, "%llu %zu %u %llu %llu %zu", (unsigned long long)p->epoch, p->next, p->skip,
                  (unsigned long long)d->facts.hash, (unsigned long long)d->facts.n_tokens,
                  p->n_waiting);
    for (size_t i = 0; i < p->n_waiting; i++) {
        rg_buf_format(out, " %llu %u", (unsigned long long)p->waiting[i].place, p->waiting[i].part);
    }
    rg_buf_char(out, '\n');
}

// numbers separated by spaces; false at the end or at anything else
static bool take_number(const char **at, const char *end, uint64_t *out) {
    uint64_t n = 0;
    const char *p = *at;
    while (p < end && *p == ' ') {
        p++;
    }
    const char *first = p;
    while (p < end && *p >= '0' && *p <= '9' && p - first < 20) {
        n = n * 10 + (uint64_t)(*p++ - '0');
    }
    *at = p;
    *out = n;
    return p > first;
}

static bool is_place(const rg_data *d, uint64_t place) {
    const uint64_t file = place >> (64 - RG_DATA_FILE_BITS);
    return file < d->n_files &&
           (place & (UINT64_MAX >> RG_DATA_FILE_BITS)) < d->maps[file].bytes.size;
}

static rg_status restore(void *self, rg_str saved, rg_error *err) {
    rg_data *d = self;
    packer *p = &d->train;
    const char *at = saved.data;
    const char *end = saved.data + saved.size;
    uint64_t head[6] = {0};
    bool is_good = true;
    for (size_t i = 0; i < 6; i++) {
        is_good = is_good && take_number(&at, end, &head[i]);
    }
    if (!is_good || head[1] > d->n_train || head[2] > UINT32_MAX || head[5] > WAITING_MAX) {
        return rg_fail(err, RG_E_FORMAT, "the place in the data that was kept is damaged");
    }
    if (head[3] != d->facts.hash) {
        return rg_fail(err, RG_E_STATE,
                       "the data has changed since the checkpoint: a run can only "
                       "go on with the lines that it began with");
    }
    clear_packer(d, p);
    while (d->shuffled <= head[0]) {
        shuffle(d);
    }
    for (uint64_t i = 0; i < head[5]; i++) {
        uint64_t place = 0;
        uint64_t part = 0;
        bool is_full = false;
        if (!take_number(&at, end, &place) || !take_number(&at, end, &part) ||
            !is_place(d, place) || part > UINT32_MAX) {
            return rg_fail(err, RG_E_FORMAT, "the place in the data that was kept is damaged");
        }
        rg_status status = read_line(d, place, err);
        if (status == RG_OK) {
            status = cut_samples(d, p, place, (uint32_t)part, &is_full, err);
        }
        if (status != RG_OK) {
            return status;
        }
    }
    p->epoch = head[0];
    p->next = (size_t)head[1];
    p->skip = (uint32_t)head[2];
    d->facts.n_tokens = head[4];
    d->facts.epoch = p->epoch;
    return RG_OK;
}

// ---- the whole ----

rg_status rg_data_open(const rg_sample_reader *reader, const rg_data_options *options,
                       rg_data **out, rg_error *err) {
    rg_status status = RG_OK;
    if (!(options->valid_share >= 0 && options->valid_share <= 0.5)) {
        return rg_fail(err, RG_E_ARG, "a share of %g for validation is not possible; 0 to 0.5 are",
                       options->valid_share);
    }
    rg_data *d = rg_new(reader->mem, sizeof *d);
    if (d == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for data");
    }
    d->mem = reader->mem;
    d->reader = reader;
    d->options = *options;
    rg_samples_init(&d->samples, d->mem);
    d->names = rg_new_array(d->mem, RG_DATA_FILES_MAX, sizeof *d->names);
    d->maps = rg_new_array(d->mem, RG_DATA_FILES_MAX, sizeof *d->maps);
    if (d->names == NULL || d->maps == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for a list of files");
        goto done;
    }
    RG_TRY(add_files(d, err));
    RG_TRY(find_lines(d, err));
    d->train = (packer){.places = d->places, .n_places = d->n_train, .is_endless = true};
    d->valid = (packer){.places = d->places + d->n_train, .n_places = d->n_valid};
    shuffle(d);
    *out = d;
    d = NULL;

done:
    rg_data_close(d);
    return status;
}

void rg_data_close(rg_data *d) {
    if (d == NULL) {
        return;
    }
    clear_packer(d, &d->train);
    clear_packer(d, &d->valid);
    for (size_t i = 0; i < d->n_files; i++) {
        rg_file_map_close(&d->maps[i]);
        rg_free(d->mem, d->names[i]);
    }
    rg_free(d->mem, d->names);
    rg_free(d->mem, d->maps);
    rg_free(d->mem, d->places);
    rg_samples_clear(&d->samples);
    rg_free(d->mem, d);
}

rg_fit_data rg_data_fit(rg_data *data) {
    return (rg_fit_data){.self = data,
                         .next = next_pass,
                         .valid = data->n_valid == 0 ? NULL : valid_pass,
                         .save = save,
                         .restore = restore,
                         .hash = data->facts.hash,
                         .seed = data->options.seed};
}

rg_data_facts rg_data_get_facts(const rg_data *data) {
    return data->facts;
}

void rg_data_each_line(const rg_data *d, bool (*fn)(void *arg, rg_str line), void *arg) {
    size_t n_resident = 0;
    for (size_t f = 0; f < d->n_files; f++) {
        const rg_bytes bytes = d->maps[f].bytes;
        for (size_t at = 0; at < bytes.size;) {
            const uint64_t place = (uint64_t)f << (64 - RG_DATA_FILE_BITS) | at;
            const rg_str line = line_at(d, place);
            at += line.size + 1;
            count_resident(d, &n_resident, line.size + 1);
            if (!is_blank(line) && !fn(arg, line)) {
                return;
            }
        }
    }
}
