#include "kernel/kernel_test.h"

typedef struct shape {
    uint32_t n_kv_head;
    uint32_t group;
    uint32_t k_dim;
    uint32_t v_dim;
    size_t page_len;
    size_t pos;
    size_t n_tok;
    size_t window;
    size_t chunk;
} shape;

// the first position that the query at pos sees
static size_t first_seen(size_t pos, size_t window, size_t chunk) {
    size_t from = 0;
    while ((window != 0 && from + window <= pos) || (chunk != 0 && from / chunk != pos / chunk)) {
        from++;
    }
    return from;
}

// one layer of cache, each page between walls; what must not be read is NaN
typedef struct cache {
    size_t n_pages;
    walled *k;
    walled *v;
    const void **k_ptrs;
    const void **v_ptrs;
} cache;

static void put(void *data, rg_dtype dtype, size_t i, float value) {
    if (dtype == RG_DTYPE_F16) {
        ((uint16_t *)data)[i] = rg_f16_of_f32(value);
    } else {
        ((float *)data)[i] = value;
    }
}

static double get(const void *data, rg_dtype dtype, size_t i) {
    return dtype == RG_DTYPE_F16 ? rg_f32_of_f16(((const uint16_t *)data)[i])
                                 : ((const float *)data)[i];
}

static walled page_new(const shape *s, rg_dtype dtype, size_t dim, size_t first, float size) {
    const size_t n = s->n_kv_head * s->page_len * dim;
    walled page = walled_new(n * (dtype == RG_DTYPE_F16 ? 2 : 4));
    const size_t end = s->pos + s->n_tok;
    const size_t from = first_seen(s->pos, s->window, s->chunk);
    for (size_t i = 0; i < n; i++) {
        const size_t pos = first + i / dim % s->page_len;
        put(page.data, dtype, i, pos >= from && pos < end ? size * random_float() : NAN);
    }
    return page;
}

static cache cache_new(const shape *s, rg_dtype dtype) {
    cache c = {.n_pages = (s->pos + s->n_tok + s->page_len - 1) / s->page_len};
    c.k = calloc(c.n_pages, sizeof *c.k);
    c.v = calloc(c.n_pages, sizeof *c.v);
    c.k_ptrs = calloc(c.n_pages, sizeof *c.k_ptrs);
    c.v_ptrs = calloc(c.n_pages, sizeof *c.v_ptrs);
    for (size_t i = 0; i < c.n_pages; i++) {
        c.k[i] = page_new(s, dtype, s->k_dim, i * s->page_len, 3);
        c.v[i] = page_new(s, dtype, s->v_dim, i * s->page_len, 1);
        c.k_ptrs[i] = c.k[i].data;
        c.v_ptrs[i] = c.v[i].data;
    }
    return c;
}

static void cache_free(cache *c) {
    for (size_t i = 0; i < c->n_pages; i++) {
        walled_free(&c->k[i]);
        walled_free(&c->v[i]);
    }
    free(c->k);
    free(c->v);
    free(c->k_ptrs);
    free(c->v_ptrs);
}

static void check_query(const rg_attn *a, size_t t, uint32_t head, const char *name) {
    const uint32_t kv_head = head / (a->n_head / a->n_kv_head);
    const float *q = a->q + t * a->q_stride + (size_t)head * a->k_dim;
    const size_t end = a->pos + t + 1;
    const size_t from = first_seen(a->pos + t, a->window, a->chunk);
    double *p = malloc(end * sizeof *p);
    double top = -INFINITY;
    double sum = 0;
    for (size_t j = from; j < end; j++) {
        const size_t row = kv_head * a->page_len + j % a->page_len;
        p[j] = 0;
        for (size_t i = 0; i < a->k_dim; i++) {
            p[j] += q[i] * get(a->k_pages[j / a->page_len], a->kv_dtype, row * a->k_dim + i);
        }
        p[j] *= a->scale;
        top = fmax(top, p[j]);
    }
    for (size_t j = from; j < end; j++) {
        p[j] = exp(p[j] - top);
        sum += p[j];
    }
    for (size_t i = 0; i < a->v_dim; i++) {
        double want = 0;
        for (size_t j = from; j < end; j++) {
            const size_t row = kv_head * a->page_len + j % a->page_len;
            want += p[j] / sum * get(a->v_pages[j / a->page_len], a->kv_dtype, row * a->v_dim + i);
        }
        const double got = a->out[t * a->out_stride + (size_t)head * a->v_dim + i];
        if (!(fabs(got - want) <= 4e-6)) {
            fail_msg("%s: dims %u %u, group %u, page %zu, pos %zu, token %zu of %zu, window %zu, "
                     "chunk %zu, head %u value %zu is %.9g, should be %.9g",
                     name, a->k_dim, a->v_dim, a->n_head / a->n_kv_head, a->page_len, a->pos, t,
                     a->n_tok, a->window, a->chunk, head, i, got, want);
        }
    }
    free(p);
}

static void check_shape(const shape *s, rg_dtype dtype) {
    rg_kernels tables[LEVELS_MAX];
    const size_t n_levels = levels(tables);
    void *scratch = scratch_new();
    cache c = cache_new(s, dtype);
    const uint32_t n_head = s->n_kv_head * s->group;
    const size_t q_stride = (size_t)n_head * s->k_dim + 3;
    const size_t out_stride = (size_t)n_head * s->v_dim + 5;
    // the last token ends at the wall
    walled q = walled_new((s->n_tok * q_stride - 3) * sizeof(float));
    walled out = walled_new((s->n_tok * out_stride - 5) * sizeof(float));
    float *first = malloc(s->n_tok * out_stride * sizeof *first);
    for (size_t i = 0; i < s->n_tok * q_stride - 3; i++) {
        ((float *)q.data)[i] = random_float();
    }
    for (size_t l = 0; l < n_levels; l++) {
        rg_attn a = {.q = q.data,
                     .q_stride = q_stride,
                     .n_tok = s->n_tok,
                     .pos = s->pos,
                     .k_pages = c.k_ptrs,
                     .v_pages = c.v_ptrs,
                     .page_len = s->page_len,
                     .kv_dtype = dtype,
                     .n_head = n_head,
                     .n_kv_head = s->n_kv_head,
                     .k_dim = s->k_dim,
                     .v_dim = s->v_dim,
                     .v_stride = s->v_dim,
                     .window = s->window,
                     .chunk = s->chunk,
                     .scale = 1.0f / sqrtf((float)s->k_dim),
                     .out = out.data,
                     .out_stride = out_stride};
        float *y = out.data;
        const size_t n_out = s->n_tok * out_stride - 5;
        for (size_t i = 0; i < n_out; i++) {
            y[i] = 12345.0f;
        }
        for (uint32_t h = 0; h < s->n_kv_head; h++) {
            tables[l].attention(&a, h, 0, s->n_tok, scratch);
        }
        for (size_t i = 0; i < n_out; i++) {
            if (i % out_stride >= out_stride - 5) {
                assert_true(y[i] == 12345.0f);
            }
        }
        for (size_t t = 0; t < s->n_tok; t++) {
            for (uint32_t h = 0; h < n_head; h++) {
                check_query(&a, t, h, tables[l].name);
            }
        }
        // a query alone gives the bits that it gave among others
        memcpy(first, y, n_out * sizeof *y);
        const size_t t = random_bits() % s->n_tok;
        for (uint32_t h = 0; h < s->n_kv_head; h++) {
            tables[l].attention(&a, h, t, t + 1, scratch);
        }
        assert_same_bits(y, first, n_out, tables[l].name);
    }
    free(first);
    walled_free(&q);
    walled_free(&out);
    cache_free(&c);
    free(scratch);
}

static void attention_agrees_with_f64_on_every_level(void **state) {
    (void)state;
    static const uint32_t dims[] = {8, 16, 24, 32, 64, 80, 96, 128, 1, 5, 67};
    static const size_t page_lens[] = {64, 1, 16, 7, 100};
    for (size_t i = 0; i < 120; i++) {
        const uint32_t k_dim = dims[i % 11];
        const shape s = {.n_kv_head = 1 + random_bits() % 3,
                         .group = 1 + random_bits() % 5,
                         .k_dim = k_dim,
                         .v_dim = i % 4 == 3 ? dims[random_bits() % 11] : k_dim,
                         .page_len = page_lens[random_bits() % 5],
                         .pos = i % 3 == 0 ? 0 : random_bits() % 300,
                         .n_tok = i % 2 == 0 ? 1 + random_bits() % 3 : 1 + random_bits() % 70,
                         .window = i % 5 == 4 ? 1 + random_bits() % 90 : 0,
                         .chunk = i % 5 == 3 || i % 10 == 4 ? 1 + random_bits() % 90 : 0};
        check_shape(&s, i % 7 < 4 ? RG_DTYPE_F16 : RG_DTYPE_F32);
    }
}

static void attention_agrees_at_depth_with_many_heads(void **state) {
    (void)state;
    const shape s = {.n_kv_head = 2,
                     .group = 9,
                     .k_dim = 128,
                     .v_dim = 128,
                     .page_len = 64,
                     .pos = 1500,
                     .n_tok = 2};
    check_shape(&s, RG_DTYPE_F16);
    const shape wide = {.n_kv_head = 1,
                        .group = 3,
                        .k_dim = 576,
                        .v_dim = 512,
                        .page_len = 64,
                        .pos = 130,
                        .n_tok = 33};
    check_shape(&wide, RG_DTYPE_F32);
}

// scores far apart: the largest takes all, nothing overflows
static void large_scores_do_not_overflow(void **state) {
    (void)state;
    enum { DIM = 16, N = 40 };
    rg_kernels tables[LEVELS_MAX];
    const size_t n_levels = levels(tables);
    void *scratch = scratch_new();
    float q[DIM];
    float k[N * DIM];
    float v[N * DIM];
    for (size_t i = 0; i < DIM; i++) {
        q[i] = 100;
    }
    for (size_t i = 0; i < N * DIM; i++) {
        k[i] = i / DIM == 17 ? 100.0f : -100.0f;
        v[i] = (float)(i / DIM);
    }
    const void *k_page = k;
    const void *v_page = v;
    for (size_t l = 0; l < n_levels; l++) {
        float out[DIM];
        const rg_attn a = {.q = q,
                           .q_stride = DIM,
                           .n_tok = 1,
                           .pos = N - 1,
                           .k_pages = &k_page,
                           .v_pages = &v_page,
                           .page_len = N,
                           .kv_dtype = RG_DTYPE_F32,
                           .n_head = 1,
                           .n_kv_head = 1,
                           .k_dim = DIM,
                           .v_dim = DIM,
                           .v_stride = DIM,
                           .scale = 1,
                           .out = out,
                           .out_stride = DIM};
        tables[l].attention(&a, 0, 0, 1, scratch);
        for (size_t i = 0; i < DIM; i++) {
            assert_true(out[i] == 17.0f);
        }
        // a NaN in a query stays visible
        q[3] = NAN;
        tables[l].attention(&a, 0, 0, 1, scratch);
        assert_true(isnan(out[0]) && isnan(out[DIM - 1]));
        q[3] = 100;
    }
    free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_agrees_with_f64_on_every_level),
        cmocka_unit_test(attention_agrees_at_depth_with_many_heads),
        cmocka_unit_test(large_scores_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
