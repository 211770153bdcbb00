/* GGUF: what a good file gives, and that every bad one is refused with the field and the value
 * named. */
#include "format/gguf.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/** A file under construction, byte by byte. */
typedef struct file {
    uint8_t bytes[8192];
    size_t n;
} file;

static void put(file *f, const void *data, size_t size) {
    assert_true(f->n + size <= sizeof f->bytes);
    memcpy(f->bytes + f->n, data, size);
    f->n += size;
}

static void u32(file *f, uint32_t v) {
    put(f, &v, 4);
}

static void u64(file *f, uint64_t v) {
    put(f, &v, 8);
}

static void str(file *f, const char *s) {
    u64(f, strlen(s));
    put(f, s, strlen(s));
}

static void header(file *f, uint32_t version, uint64_t n_tensors, uint64_t n_pairs) {
    f->n = 0;
    put(f, "GGUF", 4);
    u32(f, version);
    u64(f, n_tensors);
    u64(f, n_pairs);
}

static void pair_u32(file *f, const char *key, uint32_t v) {
    str(f, key);
    u32(f, RG_GGUF_U32);
    u32(f, v);
}

static void tensor(file *f, const char *name, uint32_t n_dims, const uint64_t *ne, uint32_t type,
                   uint64_t offset) {
    str(f, name);
    u32(f, n_dims);
    for (uint32_t d = 0; d < n_dims && d < 8; d++) {
        u64(f, ne[d]);
    }
    u32(f, type);
    u64(f, offset);
}

static void data(file *f, size_t size) {
    while (f->n % 32 != 0) {
        put(f, "", 1);
    }
    for (size_t i = 0; i < size; i++) {
        put(f, "\x3c", 1);
    }
}

// the file must be refused with this code, and the sentence must name what is wrong; nothing may
// leak or be sized by it
static void refuse(const file *f, rg_status want, const char *named) {
    torture t;
    rg_error err = {0};
    rg_gguf *gguf = NULL;
    torture_init(&t, 0);
    // exactly the file's bytes on the heap, so that a sanitizer sees a read past them
    uint8_t *copy = rg_alloc(rg_mem_heap(), f->n);
    memcpy(copy, f->bytes, f->n);
    const rg_status status = rg_gguf_parse(&t.mem, (rg_bytes){copy, f->n}, &gguf, &err);
    rg_free(rg_mem_heap(), copy);
    if (status != want) {
        fail_msg("status %s (%s), wanted %s", rg_status_name(status), err.text,
                 rg_status_name(want));
    }
    if (strstr(err.text, named) == NULL) {
        fail_msg("\"%s\" does not name \"%s\"", err.text, named);
    }
    assert_null(gguf);
    assert_int_equal(t.n_live, 0);
    assert_true(t.largest < (16u << 20));
}

static void good(file *f) {
    const uint64_t ne[] = {32, 2};
    header(f, 3, 2, 3);
    str(f, "general.architecture");
    u32(f, RG_GGUF_STRING);
    str(f, "llama");
    pair_u32(f, "llama.block_count", 7);
    str(f, "list");
    u32(f, RG_GGUF_ARRAY);
    u32(f, RG_GGUF_STRING);
    u64(f, 2);
    str(f, "one");
    str(f, "two");
    tensor(f, "a", 2, ne, 0, 0);
    tensor(f, "b", 2, ne, 8, 256);
    data(f, 256 + 68);
}

static void gives_what_a_good_file_holds(void **state) {
    (void)state;
    static file f;
    rg_error err = {0};
    rg_gguf *g = NULL;
    int64_t n = 0;
    rg_str text;
    size_t at = 0;
    good(&f);
    if (rg_gguf_parse(rg_mem_heap(), (rg_bytes){f.bytes, f.n}, &g, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
    assert_true(rg_gguf_i64(g, "llama.block_count", &n));
    assert_int_equal(n, 7);
    const rg_gguf_pair *list = rg_gguf_find_pair(g, "list");
    assert_non_null(list);
    assert_true(rg_gguf_next_str(list, &at, &text) && rg_str_is(text, "one"));
    assert_true(rg_gguf_next_str(list, &at, &text) && rg_str_is(text, "two"));
    assert_false(rg_gguf_next_str(list, &at, &text));
    const rg_tensor *b = rg_gguf_find(g, RG_STR("b"));
    assert_non_null(b);
    assert_int_equal(b->dtype, RG_DTYPE_Q8_0);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->shape[1], 32);
    assert_int_equal(b->bytes, 68);
    assert_null(rg_gguf_find(g, RG_STR("c")));
    assert_string_equal(rg_gguf_warnings(g), "");
    rg_gguf_close(g);
}

static void g01_refuses_every_truncation(void **state) {
    (void)state;
    static file f;
    good(&f);
    for (size_t n = f.n; n-- > 0;) {
        file cut = f;
        cut.n = n;
        rg_error err = {0};
        rg_gguf *g = NULL;
        torture t;
        torture_init(&t, 0);
        uint8_t *copy = rg_alloc(rg_mem_heap(), n + 1);
        memcpy(copy, cut.bytes, n);
        assert_int_not_equal(rg_gguf_parse(&t.mem, (rg_bytes){copy, n}, &g, &err), RG_OK);
        assert_int_not_equal(err.text[0], '\0');
        assert_int_equal(t.n_live, 0);
        rg_free(rg_mem_heap(), copy);
    }
    f.n = 4;
    refuse(&f, RG_E_FORMAT, "truncated header");
}

static void g02_g03_refuse_magic_and_version(void **state) {
    (void)state;
    static file f;
    good(&f);
    f.bytes[0] = 'g';
    refuse(&f, RG_E_FORMAT, "not a GGUF");
    const uint32_t versions[] = {0, 1, 4, 1000};
    for (size_t i = 0; i < 4; i++) {
        char named[32];
        header(&f, versions[i], 0, 0);
        snprintf(named, sizeof named, "version %u", versions[i]);
        refuse(&f, RG_E_UNSUPPORTED, named);
    }
    header(&f, 0x03000000, 0, 0);
    refuse(&f, RG_E_UNSUPPORTED, "big-endian");
}

static void g04_refuses_counts_beyond_the_file(void **state) {
    (void)state;
    static file f;
    const uint64_t counts[] = {UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 32, 1};
    for (size_t i = 0; i < 4; i++) {
        header(&f, 3, counts[i], 0);
        refuse(&f, RG_E_FORMAT, "tensors cannot fit");
        header(&f, 3, 0, counts[i]);
        refuse(&f, RG_E_FORMAT, "pairs cannot fit");
    }
}

static void g05_g06_refuse_bad_keys(void **state) {
    (void)state;
    static file f;
    const uint64_t sizes[] = {UINT64_MAX, 65536, 4000};
    for (size_t i = 0; i < 3; i++) {
        header(&f, 3, 0, 1);
        u64(&f, sizes[i]);
        u64(&f, 0);
        refuse(&f, sizes[i] > RG_GGUF_KEY_MAX ? RG_E_LIMIT : RG_E_FORMAT, "key");
    }
    header(&f, 3, 0, 1);
    pair_u32(&f, "", 1);
    refuse(&f, RG_E_FORMAT, "empty");
    header(&f, 3, 0, 1);
    pair_u32(&f, "a\xff", 1);
    refuse(&f, RG_E_FORMAT, "UTF-8");
    header(&f, 3, 0, 1);
    u64(&f, 3);
    put(&f, "a\0b", 3);
    u32(&f, RG_GGUF_U32);
    u32(&f, 1);
    refuse(&f, RG_E_FORMAT, "printable");
    header(&f, 3, 0, 2);
    pair_u32(&f, "same", 1);
    pair_u32(&f, "same", 1);
    refuse(&f, RG_E_FORMAT, "same is there twice");
}

static void g07_g08_refuse_bad_values(void **state) {
    (void)state;
    static file f;
    header(&f, 3, 0, 1);
    str(&f, "key");
    u32(&f, 13);
    u64(&f, 0);
    refuse(&f, RG_E_FORMAT, "value type 13");
    header(&f, 3, 0, 1);
    str(&f, "flag");
    u32(&f, RG_GGUF_BOOL);
    put(&f, "\2", 1);
    put(&f, "\0\0", 2);
    refuse(&f, RG_E_FORMAT, "bool flag is 2");
    header(&f, 3, 0, 1);
    str(&f, "key");
    u32(&f, RG_GGUF_STRING);
    u64(&f, UINT64_MAX - 8);
    refuse(&f, RG_E_LIMIT, "metadata string");
}

static void g09_g10_refuse_bad_arrays(void **state) {
    (void)state;
    static file f;
    const struct {
        uint32_t type;
        uint64_t n;
        const char *named;
    } rows[] = {{RG_GGUF_ARRAY, 1, "arrays of arrays"},
                {99, 1, "type 99"},
                {RG_GGUF_U8, (uint64_t)1 << 40, "cannot fit"},
                {RG_GGUF_U64, UINT64_MAX / 8 + 2, "cannot fit"},
                {RG_GGUF_STRING, (uint64_t)1 << 61, "cannot fit"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        header(&f, 3, 0, 1);
        str(&f, "list");
        u32(&f, RG_GGUF_ARRAY);
        u32(&f, rows[i].type);
        u64(&f, rows[i].n);
        u64(&f, 0);
        refuse(&f, RG_E_FORMAT, rows[i].named);
    }
}

static void g11_accepts_powers_of_two_as_alignment_only(void **state) {
    (void)state;
    static file f;
    const uint32_t bad[] = {0, 3, 13, 131072, 1u << 31};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        header(&f, 3, 0, 1);
        pair_u32(&f, "general.alignment", bad[i]);
        refuse(&f, RG_E_FORMAT, "general.alignment");
    }
    header(&f, 3, 0, 1);
    str(&f, "general.alignment");
    u32(&f, RG_GGUF_STRING);
    str(&f, "32");
    refuse(&f, RG_E_FORMAT, "not u32");
    const uint32_t fine[] = {1, 8, 65536};
    for (size_t i = 0; i < 3; i++) {
        rg_gguf *g = NULL;
        rg_error err = {0};
        header(&f, 3, 0, 1);
        pair_u32(&f, "general.alignment", fine[i]);
        assert_int_equal(rg_gguf_parse(rg_mem_heap(), (rg_bytes){f.bytes, f.n}, &g, &err), RG_OK);
        rg_gguf_close(g);
    }
}

static void g12_g13_refuse_bad_names_and_ranks(void **state) {
    (void)state;
    static file f;
    const uint64_t ne[8] = {32, 1, 1, 1, 1, 1, 1, 1};
    static char long_name[RG_GGUF_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    const struct {
        const char *name;
        uint32_t n_dims;
        rg_status status;
        const char *named;
    } rows[] = {{"", 1, RG_E_FORMAT, "empty"},
                {"a\nb", 1, RG_E_FORMAT, "printable"},
                {long_name, 1, RG_E_LIMIT, "limit 1024"},
                {"t", 0, RG_E_FORMAT, "0 dimensions"},
                {"t", 5, RG_E_FORMAT, "5 dimensions"},
                {"t", UINT32_MAX, RG_E_FORMAT, "dimensions"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        header(&f, 3, 1, 0);
        tensor(&f, rows[i].name, rows[i].n_dims, ne, 0, 0);
        data(&f, 128);
        refuse(&f, rows[i].status, rows[i].named);
    }
    header(&f, 3, 2, 0);
    tensor(&f, "t", 1, ne, 0, 0);
    tensor(&f, "t", 1, ne, 0, 128);
    data(&f, 256);
    refuse(&f, RG_E_FORMAT, "t is there twice");
}

static void g14_refuses_sizes_that_wrap_at_each_stage(void **state) {
    (void)state;
    static file f;
    const struct {
        uint64_t ne[3];
        const char *named;
    } rows[] = {
        {{0, 1, 1}, "dimension 0 is 0"},
        {{(uint64_t)1 << 63, 1, 1}, "dimension 0"},
        {{UINT64_MAX, 1, 1}, "dimension 0"},
        {{(uint64_t)1 << 42, (uint64_t)1 << 42, 1}, "product"}, // the count of values wraps
        {{(uint64_t)1 << 62, 2, 1}, "bytes"},                   // the count fits, the bytes wrap
        {{(uint64_t)1 << 61, 1, 1},
         "do not fit"}, // the bytes fit 64 bits, the file has none of them
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        header(&f, 3, 1, 0);
        tensor(&f, "t", 3, rows[i].ne, 0, 0);
        data(&f, 32);
        refuse(&f, RG_E_FORMAT, rows[i].named);
    }
}

static void g15_g16_refuse_blocks_and_types(void **state) {
    (void)state;
    static file f;
    const uint64_t ne[] = {33};
    header(&f, 3, 1, 0);
    tensor(&f, "t", 1, ne, 8, 0);
    data(&f, 64);
    refuse(&f, RG_E_FORMAT, "no multiple of the 32");
    const uint32_t types[] = {4, 5, 31, 38, 43, 137, UINT32_MAX};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char named[32];
        header(&f, 3, 1, 0);
        tensor(&f, "t", 1, ne, types[i], 0);
        data(&f, 64);
        snprintf(named, sizeof named, "type id %u", types[i]);
        refuse(&f, RG_E_UNSUPPORTED, named);
    }
}

static void g17_refuses_bad_offsets_and_warns_of_gaps(void **state) {
    (void)state;
    static file f;
    const uint64_t ne[] = {32};
    const uint64_t offsets[] = {1, 16, 32, 1 << 20, UINT64_MAX - 31, (uint64_t)1 << 62};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        header(&f, 3, 1, 0);
        tensor(&f, "t", 1, ne, 0, offsets[i]);
        data(&f, 128);
        refuse(&f, RG_E_FORMAT, "tensor t");
    }
    header(&f, 3, 2, 0);
    tensor(&f, "one", 1, ne, 0, 0);
    tensor(&f, "two", 1, ne, 0, 96);
    data(&f, 256);
    refuse(&f, RG_E_FORMAT, "overlap");

    rg_gguf *g = NULL;
    rg_error err = {0};
    header(&f, 3, 2, 0);
    tensor(&f, "one", 1, ne, 0, 0);
    tensor(&f, "two", 1, ne, 0, 256);
    data(&f, 384 + 640); // G18: more than the last tensor needs
    assert_int_equal(rg_gguf_parse(rg_mem_heap(), (rg_bytes){f.bytes, f.n}, &g, &err), RG_OK);
    assert_non_null(strstr(rg_gguf_warnings(g), "1 gaps"));
    assert_non_null(strstr(rg_gguf_warnings(g), "640 bytes after"));
    rg_gguf_close(g);
}

static const char *temp(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "/tmp/raga-test-%d-%s", (int)getpid(), name);
    return path;
}

static void write_file(const char *path, const file *f) {
    rg_error err = {0};
    if (rg_file_write(path, f->bytes, f->n, &err) != RG_OK) {
        fail_msg("%s", err.text);
    }
}

static void g19_survives_a_file_cut_short_while_mapped(void **state) {
    (void)state;
    static file f;
    rg_error err = {0};
    rg_gguf *g = NULL;
    float values[64];
    const uint64_t ne[] = {32, 2};
    char path[256];
    snprintf(path, sizeof path, "%s", temp("shrinks.gguf"));
    header(&f, 3, 1, 1);
    pair_u32(&f, "general.alignment", 4096);
    tensor(&f, "t", 2, ne, 0, 0);
    while (f.n % 4096 != 0) {
        put(&f, "", 1);
    }
    data(&f, 256);
    write_file(path, &f);
    assert_int_equal(rg_gguf_open(rg_mem_heap(), path, &g, &err), RG_OK);
    assert_int_equal(truncate(path, 100), 0);
    const rg_tensor *t = rg_gguf_find(g, RG_STR("t"));
    rg_dtype_get(t->dtype)->to_float(values, t->data, 64);
    assert_true(values[0] == 0);
    assert_false(rg_gguf_is_intact(g));
    rg_gguf_close(g);
    unlink(path);
}

static void write_shard(const char *path, uint32_t no, uint32_t count, const char *name) {
    static file f;
    const uint64_t ne[] = {32};
    header(&f, 3, 1, 2);
    pair_u32(&f, "split.no", no);
    pair_u32(&f, "split.count", count);
    tensor(&f, name, 1, ne, 0, 0);
    data(&f, 128);
    write_file(path, &f);
}

static void g25_split_sets_are_whole_or_refused(void **state) {
    (void)state;
    rg_error err = {0};
    rg_gguf *g = NULL;
    char one[256], two[256];
    snprintf(one, sizeof one, "%s", temp("set-00001-of-00002.gguf"));
    snprintf(two, sizeof two, "%s", temp("set-00002-of-00002.gguf"));
    write_shard(one, 0, 2, "a");
    assert_int_equal(rg_gguf_open(rg_mem_heap(), one, &g, &err), RG_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "00002-of-00002"));
    write_shard(two, 1, 2, "b");
    assert_int_equal(rg_gguf_open(rg_mem_heap(), one, &g, &err), RG_OK);
    assert_non_null(rg_gguf_find(g, RG_STR("a")));
    assert_non_null(rg_gguf_find(g, RG_STR("b")));
    rg_gguf_close(g);
    write_shard(two, 0, 2, "b"); // the same part twice
    assert_int_equal(rg_gguf_open(rg_mem_heap(), one, &g, &err), RG_E_FORMAT);
    write_shard(two, 1, 3, "b"); // the count lies
    assert_int_equal(rg_gguf_open(rg_mem_heap(), one, &g, &err), RG_E_FORMAT);
    write_shard(two, 1, 2, "a"); // a tensor in both
    assert_int_equal(rg_gguf_open(rg_mem_heap(), one, &g, &err), RG_E_FORMAT);
    unlink(one);
    unlink(two);
}

static void g26_refuses_what_is_no_file(void **state) {
    (void)state;
    rg_error err = {0};
    rg_gguf *g = NULL;
    const char *fifo = temp("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(rg_gguf_open(rg_mem_heap(), fifo, &g, &err), RG_E_ARG);
    unlink(fifo);
    assert_int_equal(rg_gguf_open(rg_mem_heap(), "/tmp", &g, &err), RG_E_ARG);
    assert_int_equal(rg_gguf_open(rg_mem_heap(), "/dev/zero", &g, &err), RG_E_ARG);
    assert_int_equal(rg_gguf_open(rg_mem_heap(), "/no/such/file", &g, &err), RG_E_NOT_FOUND);
}

// every single byte turned over: refused or read, never worse
static void survives_every_flipped_byte(void **state) {
    (void)state;
    static file f;
    good(&f);
    for (size_t i = 0; i < f.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            rg_gguf *g = NULL;
            rg_error err = {0};
            uint8_t *copy = rg_alloc(rg_mem_heap(), f.n);
            memcpy(copy, f.bytes, f.n);
            copy[i] ^= (uint8_t)(1 << bit);
            if (rg_gguf_parse(rg_mem_heap(), (rg_bytes){copy, f.n}, &g, &err) == RG_OK) {
                for (size_t k = 0; k < rg_gguf_n_tensors(g); k++) {
                    const rg_tensor *t = rg_gguf_tensor_at(g, k);
                    volatile uint8_t last = ((const uint8_t *)t->data)[t->bytes - 1];
                    (void)last;
                }
                rg_gguf_close(g);
            }
            rg_free(rg_mem_heap(), copy);
        }
    }
}

static void survives_every_failed_allocation(void **state) {
    (void)state;
    static file f;
    good(&f);
    for (size_t n = 1;; n++) {
        torture t;
        rg_gguf *g = NULL;
        rg_error err = {0};
        torture_init(&t, n);
        const rg_status status = rg_gguf_parse(&t.mem, (rg_bytes){f.bytes, f.n}, &g, &err);
        if (status == RG_OK) {
            rg_gguf_close(g);
            assert_int_equal(t.n_live, 0);
            assert_true(n > 3);
            return;
        }
        assert_int_equal(status, RG_E_MEMORY);
        assert_int_equal(t.n_live, 0);
    }
}

static void reads_back_what_it_writes(void **state) {
    (void)state;
    rg_error err = {0};
    rg_gguf_writer w;
    rg_gguf *g = NULL;
    float values[64];
    const char *path = temp("written.gguf");
    const rg_str words[] = {RG_STR("x"), RG_STR(""), RG_STR("zz")};
    for (int i = 0; i < 64; i++) {
        values[i] = (float)i;
    }
    const rg_tensor t = {.name = RG_STR("t"),
                         .dtype = RG_DTYPE_F32,
                         .n_dims = 2,
                         .shape = {2, 32},
                         .data = values,
                         .bytes = sizeof values};
    rg_gguf_writer_init(&w, rg_mem_heap());
    rg_gguf_put_u32(&w, "number", 5);
    rg_gguf_put_f32(&w, "real", 0.5f);
    rg_gguf_put_bool(&w, "truth", true);
    rg_gguf_put_str(&w, "text", RG_STR("hello"));
    rg_gguf_put_strs(&w, "words", words, 3);
    rg_gguf_put_tensor(&w, &t);
    assert_int_equal(rg_gguf_write(&w, path, NULL, NULL, &err), RG_OK);
    rg_gguf_writer_clear(&w);
    assert_int_equal(rg_gguf_open(rg_mem_heap(), path, &g, &err), RG_OK);
    double real = 0;
    rg_str text;
    bool truth = false;
    assert_true(rg_gguf_f64(g, "real", &real) && real == 0.5);
    assert_true(rg_gguf_bool(g, "truth", &truth) && truth);
    assert_true(rg_gguf_str(g, "text", &text) && rg_str_is(text, "hello"));
    assert_int_equal(rg_gguf_find_pair(g, "words")->n_items, 3);
    const rg_tensor *back = rg_gguf_find(g, RG_STR("t"));
    assert_int_equal(back->shape[0], 2);
    assert_memory_equal(back->data, values, sizeof values);
    rg_gguf_close(g);
    unlink(path);
}

enum { STREAM_ROWS = 5, STREAM_COLS = 1 << 21 };

/** What the writer asked for. */
typedef struct stream {
    size_t next_row;
    size_t most_rows;
    size_t n_calls;
} stream;

static rg_status fill_rows(void *arg, size_t i, const rg_tensor *tensor, size_t row, size_t n,
                           void *out, rg_error *err) {
    stream *s = arg;
    (void)err;
    assert_int_equal(i, 0);
    assert_int_equal(row, s->next_row);
    assert_int_equal(tensor->bytes, (size_t)STREAM_ROWS * STREAM_COLS * sizeof(float));
    s->next_row += n;
    s->most_rows = n > s->most_rows ? n : s->most_rows;
    s->n_calls++;
    for (size_t k = 0; k < n * STREAM_COLS; k++) {
        ((float *)out)[k] = (float)(row + k / STREAM_COLS) + (float)(k % STREAM_COLS) / STREAM_COLS;
    }
    return RG_OK;
}

// rows of 8 MiB: two at a time
static void rows_stream_into_the_file(void **state) {
    (void)state;
    rg_error err = {0};
    rg_gguf_writer w;
    rg_gguf *g = NULL;
    stream s = {0};
    const char *path = temp("streamed.gguf");
    const rg_tensor t = {.name = RG_STR("t"),
                         .dtype = RG_DTYPE_F32,
                         .n_dims = 2,
                         .shape = {STREAM_ROWS, STREAM_COLS},
                         .bytes = (size_t)STREAM_ROWS * STREAM_COLS * sizeof(float)};
    rg_gguf_writer_init(&w, rg_mem_heap());
    rg_gguf_put_tensor(&w, &t);
    assert_int_equal(rg_gguf_write(&w, path, fill_rows, &s, &err), RG_OK);
    rg_gguf_writer_clear(&w);
    assert_int_equal(s.n_calls, 3);
    assert_int_equal(s.most_rows, 2);
    assert_int_equal(rg_gguf_open(rg_mem_heap(), path, &g, &err), RG_OK);
    const float *back = rg_gguf_find(g, RG_STR("t"))->data;
    for (size_t k = 0; k < (size_t)STREAM_ROWS * STREAM_COLS; k += 4097) {
        assert_true(back[k] == (float)(k / STREAM_COLS) + (float)(k % STREAM_COLS) / STREAM_COLS);
    }
    rg_gguf_close(g);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_a_good_file_holds),
        cmocka_unit_test(g01_refuses_every_truncation),
        cmocka_unit_test(g02_g03_refuse_magic_and_version),
        cmocka_unit_test(g04_refuses_counts_beyond_the_file),
        cmocka_unit_test(g05_g06_refuse_bad_keys),
        cmocka_unit_test(g07_g08_refuse_bad_values),
        cmocka_unit_test(g09_g10_refuse_bad_arrays),
        cmocka_unit_test(g11_accepts_powers_of_two_as_alignment_only),
        cmocka_unit_test(g12_g13_refuse_bad_names_and_ranks),
        cmocka_unit_test(g14_refuses_sizes_that_wrap_at_each_stage),
        cmocka_unit_test(g15_g16_refuse_blocks_and_types),
        cmocka_unit_test(g17_refuses_bad_offsets_and_warns_of_gaps),
        cmocka_unit_test(g19_survives_a_file_cut_short_while_mapped),
        cmocka_unit_test(g25_split_sets_are_whole_or_refused),
        cmocka_unit_test(g26_refuses_what_is_no_file),
        cmocka_unit_test(survives_every_flipped_byte),
        cmocka_unit_test(survives_every_failed_allocation),
        cmocka_unit_test(reads_back_what_it_writes),
        cmocka_unit_test(rows_stream_into_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
