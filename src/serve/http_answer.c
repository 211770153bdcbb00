#include "serve/http.h"

void rg_http_refuse(rg_http_answer *answer, const rg_fault *fault, const char *path,
                    const char *request_id) {
    answer->status = fault->status;
    answer->type = "application/json";
    answer->retry_after_s = fault->retry_after_s;
    answer->body.size = 0;
    rg_fault_write(fault, rg_client_of_path(path), request_id, &answer->body);
}
