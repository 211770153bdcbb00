#include "api/api_internal.h"

#include <stdio.h>
#include <stdlib.h>

rg_status api_cut_scale(const char *name, char path[API_PATH_BYTES], float *scale, rg_error *err) {
    const char *colon = strrchr(name, ':');
    size_t n = strlen(name);
    *scale = 1;
    if (colon != NULL && colon[1] != '\0') {
        char *end = NULL;
        const float value = strtof(colon + 1, &end);
        if (*end == '\0') {
            *scale = value;
            n = (size_t)(colon - name);
        }
    }
    if (n == 0 || n >= API_PATH_BYTES) {
        return rg_fail(err, RG_E_ARG, "a path of %zu bytes is not possible", n);
    }
    memcpy(path, name, n);
    path[n] = '\0';
    return RG_OK;
}

void api_close_adapters(rg_adapter **adapters, size_t n, rg_lora *loras) {
    for (size_t i = 0; adapters != NULL && i < n; i++) {
        rg_adapter_free(adapters[i]);
    }
    rg_free(rg_mem_heap(), adapters);
    rg_free(rg_mem_heap(), loras);
}

rg_status api_open_adapters(const rg_model *model, rg_source_kind kind, const char *const *names,
                            size_t n, rg_adapter ***out, rg_lora **loras, size_t *n_loras,
                            rg_error *err) {
    rg_status status = RG_OK;
    char path[API_PATH_BYTES];
    size_t total = 0;
    rg_lora *list = NULL;
    rg_adapter **adapters = rg_new_array(rg_mem_heap(), n + 1, sizeof *adapters);
    if (adapters == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for %zu adapters", n);
    }
    for (size_t i = 0; i < n; i++) {
        float scale;
        RG_TRY(api_cut_scale(names[i], path, &scale, err));
        RG_TRY(rg_adapter_open(rg_mem_heap(), path, model, kind, scale, &adapters[i], err));
        total += adapters[i]->n_loras;
    }
    list = rg_new_array(rg_mem_heap(), total + 1, sizeof *list);
    if (list == NULL) {
        status = rg_fail(err, RG_E_MEMORY, "no memory for %zu low-rank additions", total);
        goto done;
    }
    *n_loras = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(list + *n_loras, adapters[i]->loras, adapters[i]->n_loras * sizeof *list);
        *n_loras += adapters[i]->n_loras;
    }
    *out = adapters;
    *loras = list;
    adapters = NULL;
    list = NULL;

done:
    api_close_adapters(adapters, n, list);
    return status;
}
