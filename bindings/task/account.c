/* Accounts: how much of the memory is in use by which task, and which run.
 * SPDX-License-Identifier: MIT */
#include "account.h"

neapL_account *neapL_account_new(const neap_alloc *below, neap_link *families,
                                 neapL_family *family) {
  neapL_account *account = below->fn(below->ud, NULL, 0, sizeof *account);
  if (!account)
    return NULL;
  if (!family) {
    family = below->fn(below->ud, NULL, 0, sizeof *family);
    if (!family) {
      below->fn(below->ud, account, sizeof *account, 0);
      return NULL;
    }
    *family = (neapL_family){.bytes = 0};
    neap__list_append(families, &family->link);
  }
  family->accounts++;
  family->live++;
  *account = (neapL_account){.family = family, .is_live = true};
  return account;
}

void neapL_account_end(neapL_account *account) {
  account->is_live = false;
  account->family->live--;
}

bool neapL_account_sweep(const neap_alloc *below, neapL_account *account) {
  if (account->is_live || account->blocks > 0)
    return false;
  neapL_family *family = account->family;
  below->fn(below->ud, account, sizeof *account, 0);
  if (--family->accounts == 0) {
    neap__list_remove(&family->link);
    below->fn(below->ud, family, sizeof *family, 0);
  }
  return true;
}
