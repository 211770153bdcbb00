/* Products of training: y = x w^T, dx = dy w, dw = dy^T x, cut into pieces of the result. */
#include "backend/exec_internal.h"

enum {
    PIECES_PER_THREAD = 4, // so that a thread that is slowed down costs its share
    COLUMNS_UNIT = 32,     // whole tiles
    COLUMNS_LEAST = 128,   // fewer would read A too often
    ROWS_UNIT = 48,
};

/** A result cut along its columns, or its rows where it has few columns. */
typedef struct cut {
    bool is_by_column;
    size_t size;
    size_t n;
} cut;

static size_t share(size_t n, size_t parts, size_t unit) {
    return (((n + parts - 1) / parts + unit - 1) / unit) * unit;
}

// columns first: B is then packed once, whatever the number of pieces
static cut cut_result(const rg_task *task, const rg_gemm *g) {
    const size_t threads = rg_pool_threads(task->b->pool);
    const size_t block = g->is_b_by_column ? 1 : rg_dtype_get(g->b_dtype)->block;
    const size_t unit = block > COLUMNS_UNIT ? block : COLUMNS_UNIT;
    const size_t most = share(g->n, threads, unit);
    const size_t least = most < COLUMNS_LEAST ? most : COLUMNS_LEAST;
    size_t size = share(g->n, threads * PIECES_PER_THREAD, unit);
    size = size < least ? least : size;
    if (g->n >= threads * COLUMNS_UNIT) {
        return (cut){true, size, (g->n + size - 1) / size};
    }
    size = share(g->m, threads * PIECES_PER_THREAD, ROWS_UNIT);
    return (cut){false, size, (g->m + size - 1) / size};
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

size_t rg_cpu_gemm_chunks(rg_task *task, const rg_node *node) {
    const rg_gemm g = product_of(task, node);
    return cut_result(task, &g).n;
}

void rg_cpu_gemm(const rg_task *task, const rg_node *node, size_t chunk, void *scratch) {
    rg_gemm g = product_of(task, node);
    const cut c = cut_result(task, &g);
    const rg_dtype_info *info = rg_dtype_get(g.b_dtype);
    const size_t from = chunk * c.size;
    size_t column = 0;
    if (c.is_by_column) {
        column = from;
        g.n = g.n - from < c.size ? g.n - from : c.size;
        g.b = (const char *)g.b +
              (g.is_b_by_column ? from * g.b_stride : from / info->block * info->block_bytes);
        g.c += from;
    } else {
        g.m = g.m - from < c.size ? g.m - from : c.size;
        g.a += from * g.a_row;
        g.c += from * g.ldc;
    }
    task->exec->options.kernels->gemm(&g, scratch);
    if (node->op == RG_OP_LINEAR && node->n_in == 3) {
        const float *bias = rg_task_data(task, node->in[2]);
        for (size_t i = 0; i < g.m; i++) {
            float *row = g.c + i * g.ldc;
            task->exec->options.kernels->add(row, row, bias + column, g.n);
        }
    }
}
