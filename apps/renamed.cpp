// SPDX-License-Identifier: MIT
/// The programs train_folder, train_cityscapes, train_brats and train_isles of older versions: prints the new
/// command. Compiled once for each, with the name of its task in PAM_TASK; to be removed with the next version.
#include <pam/core/version.hpp>

#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--version") == 0) {
    std::puts("train_" PAM_TASK " of pam " PAM_VERSION ": it is now train --task " PAM_TASK);
    return 0;
  }
  std::fputs("error: train_" PAM_TASK " is now train --task " PAM_TASK ", with the same options\n", stderr);
  return 2;
}
