/* Products of training: y = x w^T, dx = dy w, dw = dy^T x, cut into pieces of the result. */
#include "backend/exec_internal.h"

#include <math.h>

enum {
    PIECES_PER_THREAD = 4, // so that a thread that is slowed down costs its share
    ROWS_UNIT = 12,        // whole tiles
    COLUMNS_UNIT = 32,
};

/** A result cut into pieces of rows x columns, the last ones smaller. */
typedef struct cut {
    size_t rows;
    size_t columns;
    size_t n_across; // pieces side by side
    size_t n;
} cut;

static size_t share(size_t n, size_t parts, size_t unit) {
    return (((n + parts - 1) / parts + unit - 1) / unit) * unit;
}

static size_t count(size_t n, size_t share) {
    return (n + share - 1) / share;
}

// the whole product of a node
static rg_gemm product_of(const rg_task *task, const rg_node *node) {
    const rg_value *in0 = rg_task_value(task, node->in[0]);
    const rg_value *in1 = rg_task_value(task, node->in[1]);
    const rg_dtype_info *info = rg_dtype_get(in1->dtype);
    rg_gemm g = {.a = rg_task_data(task, node->in[0]),
                 .b = rg_task_data(task, node->in[1]),
                 .b_dtype = in1->dtype,
                 .b_stride = in1->shape[1] / info->block * info->block_bytes,
                 .c = rg_task_data(task, node->out[0])};
    const size_t width = in0->shape[1];
    switch (node->op) {
    case RG_OP_LINEAR: // x [T, k], w [n, k]
        g.m = in0->shape[0];
        g.n = in1->shape[0];
        g.k = width;
        g.a_row = width;
        g.a_col = 1;
        g.is_b_by_column = true;
        break;
    case RG_OP_LINEAR_DX: // dy [T, k], w [k, n]
        g.m = in0->shape[0];
        g.n = in1->shape[1];
        g.k = width;
        g.a_row = width;
        g.a_col = 1;
        break;
    default: // LINEAR_DW: dy [T, m], x [T, n]
        g.m = width;
        g.n = in1->shape[1];
        g.k = in0->shape[0];
        g.a_row = 1;
        g.a_col = width;
        break;
    }
    g.ldc = g.n;
    return g;
}

static double work_of(const rg_gemm *g) {
    return (double)g->m * (double)g->n * (double)g->k;
}

// the pieces of all products of the section together are so many for each thread
static size_t pieces(const rg_task *task, const rg_gemm *g) {
    double all = 0;
    for (uint32_t i = task->section->first; i < task->section->last; i++) {
        const rg_node *node = &task->exec->g.nodes[i];
        if (node->op == RG_OP_LINEAR || node->op == RG_OP_LINEAR_DX ||
            node->op == RG_OP_LINEAR_DW) {
            const rg_gemm other = product_of(task, node);
            all += work_of(&other);
        }
    }
    const double n_all = (double)rg_pool_threads(task->b->pool) * PIECES_PER_THREAD;
    return all > 0 ? (size_t)ceil(work_of(g) / all * n_all) : 1;
}

// Every piece packs its own rows of A and columns of B: of all ways to cut the result into enough
// pieces, the one that packs least. Values of A are copied, those of B may be turned or expanded.
static cut cut_result(const rg_task *task, const rg_gemm *g) {
    const size_t wanted = pieces(task, g);
    const size_t block = g->is_b_by_column ? 1 : rg_dtype_get(g->b_dtype)->block;
    const size_t unit = block > COLUMNS_UNIT ? block : COLUMNS_UNIT;
    const double price_b = g->b_dtype != RG_DTYPE_F32 ? 8 : g->is_b_by_column ? 3 : 1;
    cut best = {0};
    double least = INFINITY;
    for (size_t across = 1; across <= wanted; across++) {
        cut c = {.columns = share(g->n, across, unit)};
        c.n_across = count(g->n, c.columns);
        c.rows = share(g->m, (wanted + c.n_across - 1) / c.n_across, ROWS_UNIT);
        const size_t n_down = count(g->m, c.rows);
        c.n = n_down * c.n_across;
        // too few pieces leave threads idle
        const double missing = c.n < wanted ? (double)(wanted - c.n) / (double)wanted : 0;
        const double price =
            (double)c.n_across / (double)g->n + price_b * (double)n_down / (double)g->m + missing;
        if (price < least) {
            least = price;
            best = c;
        }
    }
    return best;
}

size_t rg_cpu_gemm_chunks(rg_task *task, const rg_node *node) {
    const rg_gemm g = product_of(task, node);
    return cut_result(task, &g).n;
}

void rg_cpu_gemm(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    rg_gemm g = product_of(task, node);
    const cut c = cut_result(task, &g);
    const rg_dtype_info *info = rg_dtype_get(g.b_dtype);
    const size_t row = chunk / c.n_across * c.rows;
    const size_t column = chunk % c.n_across * c.columns;
    g.m = g.m - row < c.rows ? g.m - row : c.rows;
    g.n = g.n - column < c.columns ? g.n - column : c.columns;
    g.a += row * g.a_row;
    g.b = (const char *)g.b +
          (g.is_b_by_column ? column * g.b_stride : column / info->block * info->block_bytes);
    g.c += row * g.ldc + column;
    rg_exec_gemm(task->exec)(&g, scratch);
    if (node->op == RG_OP_LINEAR && node->n_in == 3) {
        const float *bias = rg_task_data(task, node->in[2]);
        for (size_t i = 0; i < g.m; i++) {
            float *y = g.c + i * g.ldc;
            task->exec->options.kernels->add(y, y, bias + column, g.n);
        }
    }
}
