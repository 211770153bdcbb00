/* Oracles of experts, for test_gradient.c: routers of every kind, products, weighted sums. */
#pragma once

enum { EXPERTS = 6, TOP = 3, IN = 10, OUT = 7 };

static const rg_op_params routers[] = {
    {.n_top = TOP, .scale = 1, .is_renormed = true},
    {.n_top = TOP, .scale = 2.5f},
    {.n_top = TOP,
     .score = RG_ROUTER_SIGMOID,
     .scale = 1.5f,
     .is_renormed = true,
     .n_group = 3,
     .n_group_used = 2,
     .is_group_by_two = true},
    {.n_top = TOP, .scale = 1, .n_group = 3, .n_group_used = 2},
    {.n_top = TOP, .score = RG_ROUTER_SQRT_SOFTPLUS, .scale = 1.5f, .is_renormed = true},
};

static double score_of(rg_router_score score, double logit) {
    switch (score) {
    case RG_ROUTER_SIGMOID:
        return 1 / (1 + exp(-logit));
    case RG_ROUTER_SQRT_SOFTPLUS:
        return sqrt(log(1 + exp(logit)));
    default:
        return exp(logit);
    }
}

// tokens to experts and back: x, logits, matrices, bias
static rg_val build_experts(rg_graph *g, const rg_val *in, size_t i) {
    const rg_routing r = rg_route(
        g, in[1], routers[i].score != RG_ROUTER_SOFTMAX ? in[3] : RG_VAL_NONE, &routers[i]);
    const rg_val rows = rg_select_rows(g, in[0], r.tokens);
    return rg_combine(g, rg_experts(g, rows, in[2], r.starts), &r);
}

static int n_better(const double *of, int n, int i) {
    int better = 0;
    for (int k = 0; k < n; k++) {
        better += of[k] > of[i] || (of[k] == of[i] && k < i);
    }
    return better;
}

static void oracle_experts(double *const *in, double *out, size_t i) {
    const rg_op_params *p = &routers[i];
    const int n_group = p->n_group == 0 ? 1 : (int)p->n_group;
    const int size = EXPERTS / n_group;
    memset(out, 0, T * OUT * sizeof *out);
    for (int t = 0; t < T; t++) {
        double s[EXPERTS], choice[EXPERTS], group[EXPERTS], sum = 0, kept = 0;
        for (int e = 0; e < EXPERTS; e++) {
            s[e] = score_of(p->score, in[1][t * EXPERTS + e]);
            sum += s[e];
        }
        for (int e = 0; e < EXPERTS; e++) {
            s[e] /= p->score != RG_ROUTER_SOFTMAX ? 1 : sum;
            choice[e] = s[e] + (p->score != RG_ROUTER_SOFTMAX ? in[3][e] : 0);
        }
        for (int k = 0; k < n_group; k++) {
            double best = -1e9, second = -1e9;
            for (int e = k * size; e < (k + 1) * size; e++) {
                second = choice[e] > best ? best : choice[e] > second ? choice[e] : second;
                best = choice[e] > best ? choice[e] : best;
            }
            group[k] = p->is_group_by_two ? best + second : best;
        }
        for (int e = 0; e < EXPERTS; e++) {
            if (n_group > 1 && n_better(group, n_group, e / size) >= (int)p->n_group_used) {
                choice[e] = -1e9;
            }
        }
        for (int e = 0; e < EXPERTS; e++) {
            kept += n_better(choice, EXPERTS, e) < TOP ? s[e] : 0;
        }
        for (int e = 0; e < EXPERTS; e++) {
            if (n_better(choice, EXPERTS, e) >= TOP) {
                continue;
            }
            const double weight = s[e] / (p->is_renormed ? kept : 1) * (double)p->scale;
            for (int r = 0; r < OUT; r++) {
                for (int k = 0; k < IN; k++) {
                    out[t * OUT + r] += weight * in[0][t * IN + k] * in[2][(e * OUT + r) * IN + k];
                }
            }
        }
    }
}

#define EXPERTS_CASE(i)                                                                            \
    static rg_val build_experts_##i(rg_graph *g, const rg_val *in) {                               \
        return build_experts(g, in, i);                                                            \
    }                                                                                              \
    static void oracle_experts_##i(double *const *in, double *out) {                               \
        oracle_experts(in, out, i);                                                                \
    }
EXPERTS_CASE(0)
EXPERTS_CASE(1)
EXPERTS_CASE(2)
EXPERTS_CASE(3)
EXPERTS_CASE(4)

// experts by the token's id, one of them twice: x, logits, matrices, table, ids
enum { LISTS = 5 };
static const int32_t lists[LISTS * TOP] = {0, 1, 2, 5, 4, 3, 1, 1, 4, 2, 0, 5, 3, 2, 1};

static const int32_t listed_ids[T] = {2, 0, 4, 1, 3, 2};

static rg_val build_listed(rg_graph *g, const rg_val *in) {
    const rg_routing r = rg_route_listed(g, in[1], in[3], in[4], &routers[4]);
    const rg_val rows = rg_select_rows(g, in[0], r.tokens);
    return rg_combine(g, rg_experts(g, rows, in[2], r.starts), &r);
}

static void oracle_listed(double *const *in, double *out) {
    memset(out, 0, T * OUT * sizeof *out);
    for (int t = 0; t < T; t++) {
        const int32_t *list = lists + listed_ids[t] * TOP;
        double sum = 0;
        for (int k = 0; k < TOP; k++) {
            sum += score_of(RG_ROUTER_SQRT_SOFTPLUS, in[1][t * EXPERTS + list[k]]);
        }
        for (int i = 0; i < TOP * OUT * IN; i++) {
            const int e = list[i / (OUT * IN)], r = i / IN % OUT, k = i % IN;
            const double weight =
                score_of(RG_ROUTER_SQRT_SOFTPLUS, in[1][t * EXPERTS + e]) / sum * 1.5;
            out[t * OUT + r] += weight * in[0][t * IN + k] * in[2][(e * OUT + r) * IN + k];
        }
    }
}
