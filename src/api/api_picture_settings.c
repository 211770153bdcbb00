/* What a model wants of its pictures: the settings of its image processor, beside its weights. */
#include "api/api_picture.h"

#include "base/file.h"

#include <stdio.h>

enum { SETTINGS_BYTES_MAX = 1 << 20 };

// a number of the settings; keeps *out where it is absent
static rg_status number(const rg_json *settings, const char *key, double min, double max,
                        double *out, rg_error *err) {
    const rg_json *json = rg_json_find(settings, key);
    double value = 0;
    if (json == NULL || json->kind == RG_JSON_NULL) {
        return RG_OK;
    }
    if (!rg_json_f64(json, &value) || !(value >= min && value <= max)) {
        return rg_fail(err, RG_E_FORMAT, "%s is \"%.*s\", valid are %.9g to %.9g", key,
                       RG_FMT(json->text), min, max);
    }
    *out = value;
    return RG_OK;
}

static rg_status whole(const rg_json *settings, const char *key, double max, uint32_t *out,
                       rg_error *err) {
    double value = *out;
    const rg_status status = number(settings, key, 1, max, &value, err);
    *out = (uint32_t)value;
    return status;
}

static rg_status area(const rg_json *settings, const char *key, uint64_t *out, rg_error *err) {
    double value = (double)*out;
    const rg_status status = number(settings, key, 1, 1e15, &value, err);
    *out = (uint64_t)value;
    return status;
}

// one value for each color
static rg_status colors(const rg_json *settings, const char *key, float out[3], rg_error *err) {
    const rg_json *list = rg_json_find(settings, key);
    if (list == NULL || list->kind == RG_JSON_NULL) {
        return RG_OK;
    }
    for (size_t i = 0; i < 3; i++) {
        double value = 0;
        if (list->kind != RG_JSON_ARRAY || list->n != 3 ||
            !rg_json_f64(rg_json_at(list, i), &value)) {
            return rg_fail(err, RG_E_FORMAT, "%s must be three numbers, one for each color", key);
        }
        out[i] = (float)value;
    }
    return RG_OK;
}

static bool is_off(const rg_json *settings, const char *key) {
    bool is_on = true;
    (void)rg_json_bool(rg_json_find(settings, key), &is_on);
    return !is_on;
}

static rg_status read_settings(const rg_json *json, rg_picture_settings *s, rg_error *err) {
    rg_status status = RG_OK;
    const rg_json *size = rg_json_find(json, "size");
    RG_TRY(whole(json, "patch_size", RG_PATCH_SIDE_MAX, &s->patch, err));
    RG_TRY(whole(json, "merge_size", RG_PATCH_MERGE_MAX, &s->merge, err));
    RG_TRY(whole(json, "temporal_patch_size", RG_PATCH_TIME_MAX, &s->temporal, err));
    RG_TRY(whole(json, "resample", 100, &s->resample, err));
    // the older spelling counts where a file has both
    RG_TRY(area(size, "shortest_edge", &s->min_pixels, err));
    RG_TRY(area(size, "longest_edge", &s->max_pixels, err));
    RG_TRY(area(json, "min_pixels", &s->min_pixels, err));
    RG_TRY(area(json, "max_pixels", &s->max_pixels, err));
    RG_TRY(number(json, "rescale_factor", 1e-9, 1e9, &s->rescale, err));
    RG_TRY(colors(json, "image_mean", s->mean, err));
    RG_TRY(colors(json, "image_std", s->std, err));
    s->is_resized = !is_off(json, "do_resize");
    if (is_off(json, "do_rescale")) {
        s->rescale = 1;
    }
    for (size_t i = 0; i < 3 && is_off(json, "do_normalize"); i++) {
        s->mean[i] = 0;
        s->std[i] = 1;
    }
    status = rg_picture_settings_check(s, err);

done:
    return status;
}

// preprocessor_config.json, or as newer folders have it a part of processor_config.json
static rg_status find_settings(const char *folder, rg_arena *arena, const rg_json **out,
                               char path[API_PATH_BYTES], rg_error *err) {
    static const struct {
        const char *file;
        const char *part;
    } places[] = {{"preprocessor_config.json", NULL}, {"processor_config.json", "image_processor"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        rg_bytes bytes = {0};
        const rg_json *tree = NULL;
        snprintf(path, API_PATH_BYTES, "%s/%s", folder, places[i].file);
        rg_status status = rg_file_read(rg_mem_heap(), path, SETTINGS_BYTES_MAX, &bytes, err);
        if (status == RG_E_NOT_FOUND) {
            continue;
        }
        if (status == RG_OK) {
            const char *text = rg_arena_copy(arena, (const char *)bytes.data, bytes.size);
            status = text == NULL ? rg_fail(err, RG_E_MEMORY, "no memory for %s", path)
                                  : rg_json_parse(arena, (rg_str){text, bytes.size}, &tree, err);
            rg_free(rg_mem_heap(), (void *)bytes.data);
        }
        if (status != RG_OK) {
            return status;
        }
        *out = places[i].part == NULL ? tree : rg_json_find(tree, places[i].part);
        if (*out != NULL && (*out)->kind == RG_JSON_OBJECT) {
            return RG_OK;
        }
    }
    return rg_fail(err, RG_E_NOT_FOUND,
                   "%s/preprocessor_config.json is missing: it says how the model wants its "
                   "pictures; it comes with the model's other files",
                   folder);
}

rg_status api_picture_settings(const raga_model *m, rg_picture_settings *out, rg_error *err) {
    const rg_sight_params *s = &m->tower->h.sight;
    char path[API_PATH_BYTES];
    rg_arena arena;
    const rg_json *json = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 64 * SETTINGS_BYTES_MAX);
    rg_picture_settings_init(out, RG_PICTURE_CLASS);
    rg_status status = find_settings(rg_source_path(m->source), &arena, &json, path, err);
    if (status == RG_OK) {
        status = read_settings(json, out, err);
        if (status == RG_OK &&
            (out->patch != s->patch || out->merge != s->merge || out->temporal != s->n_frames)) {
            status =
                rg_fail(err, RG_E_FORMAT,
                        "patches of %u pixels, %u frames and a merge of %u do not fit the "
                        "model's: %u, %u, %u",
                        out->patch, out->temporal, out->merge, s->patch, s->n_frames, s->merge);
        }
        if (status != RG_OK) {
            rg_error_prefix(err, "%s", path);
        }
    }
    rg_arena_clear(&arena);
    return status;
}
