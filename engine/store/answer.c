/* What hosts see of the results of stores.
 * SPDX-License-Identifier: MIT */
#include "result.h"

void neap_store_result_free(neap_store_result *result) {
  neap__result_free(result);
}

const char *neap_store_why(const neap_store_result *result) {
  return result && result->why ? result->why : "";
}

int64_t neap_store_number(const neap_store_result *result) {
  return result ? result->number : 0;
}

int64_t neap_store_time(const neap_store_result *result) {
  return result ? result->time : 0;
}

size_t neap_store_run_count(const neap_store_result *result) {
  return result ? result->run_count : 0;
}

const neap_store_run *neap_store_run_at(const neap_store_result *result,
                                        size_t index) {
  return index < neap_store_run_count(result) ? &result->runs[index] : NULL;
}

size_t neap_store_step_count(const neap_store_result *result) {
  return result ? result->step_count : 0;
}

const neap_store_step *neap_store_step_at(const neap_store_result *result,
                                          size_t index) {
  return index < neap_store_step_count(result) ? &result->steps[index] : NULL;
}

size_t neap_store_row_count(const neap_store_result *result) {
  return result ? result->row_count : 0;
}

const neap_store_row *neap_store_row_at(const neap_store_result *result,
                                        size_t index) {
  return index < neap_store_row_count(result) ? &result->rows[index] : NULL;
}
