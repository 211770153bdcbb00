#include "api/api_internal.h"

#include "raga/train.h"
#include "train/check.h"
#include "train/merge.h"

raga_status raga_train_check(const char *dir, const char *out_dir, unsigned n_threads,
                             raga_check *result, raga_error *error) {
    rg_error err = {0};
    rg_cpu cpu;
    rg_check_result r;
    if (dir == NULL || out_dir == NULL || result == NULL) {
        return api_bad(error, "a case, a directory for the results and a place for the verdict are "
                              "needed");
    }
    rg_status status = rg_cpu_choose(&cpu, &err);
    if (status == RG_OK) {
        status = rg_train_check(rg_mem_heap(), dir, out_dir, cpu, n_threads, &r, &err);
    }
    if (status != RG_OK) {
        return api_fail(error, status, &err);
    }
    raga_check all = {.size = result->size, .is_passed = r.is_passed, .share = r.share};
    memcpy(all.worst, r.worst, sizeof all.worst);
    memcpy(result, &all, result->size < sizeof all ? result->size : sizeof all);
    return RAGA_OK;
}

raga_status raga_merge(const char *path, const char *const *names, size_t n, const char *out_dir,
                       raga_error *error) {
    rg_error err = {0};
    rg_status status = RG_OK;
    rg_source *source = NULL;
    rg_model *model = NULL;
    rg_adapter **adapters = NULL;
    rg_lora *loras = NULL;
    size_t n_loras = 0;
    if (path == NULL || names == NULL || n == 0 || out_dir == NULL) {
        return api_bad(error, "a model, adapters and a directory for the result are needed");
    }
    RG_TRY(rg_source_open(rg_mem_heap(), path, &source, &err));
    RG_TRY(rg_model_load(rg_mem_heap(), source, &model, &err));
    RG_TRY(api_open_adapters(model, rg_source_get_kind(source), names, n, &adapters, &loras,
                             &n_loras, &err));
    RG_TRY(rg_merge(rg_mem_heap(), source, model, loras, n_loras, out_dir, &err));

done:
    api_close_adapters(adapters, n, loras);
    rg_model_free(model);
    rg_source_close(source);
    return api_fail(error, status, &err);
}
