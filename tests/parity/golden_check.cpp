// SPDX-License-Identifier: MIT
// golden_check [FOLDER...]: compares every .safetensors of the folders with pam's modules, a line per file with its
// largest relative errors. Folders: the arguments, else PAM_GOLDEN_DIR, else authors/ and paper/ of ../shared/golden
// and the files kept beside this source. Exit code: 0 all passed, 1 a file failed or could not be built, 2 no files.
#include <pam/kernels/conv3x3.hpp>

#include "parity/golden_compare.hpp"
#include "support/files.hpp"

#include <cstdlib>
#include <iostream>

namespace {

std::vector<std::filesystem::path> folders(int argc, char** argv) {
  if (argc > 1) return {argv + 1, argv + argc};
  if (const char* named = std::getenv("PAM_GOLDEN_DIR")) return {named};
  std::vector<std::filesystem::path> list;
  for (const auto* name : {"authors", "paper"}) {
    const auto folder = pam::test::shared_dir() / "golden" / name;
    if (!pam::test::shared_dir().empty() && std::filesystem::is_directory(folder)) {
      list.push_back(folder);
    } else {
      std::cout << "SKIPPED: golden/" << name << ": there is no ../shared (set PAM_SHARED or PAM_GOLDEN_DIR)\n";
    }
  }
#ifdef PAM_SOURCE_DIR
  list.emplace_back(std::filesystem::path(PAM_SOURCE_DIR) / "tests" / "parity" / "golden");
#endif
  return list;
}

}  // namespace

int main(int argc, char** argv) {
  // The bound is that of plain sums of products; PAM_CONVOLUTION=winograd shows the errors of the other kind.
  if (std::getenv("PAM_CONVOLUTION") == nullptr) {
    pam::kernels::set_default_convolution(pam::kernels::Convolution::Direct);
  }
  std::int64_t passed = 0, failed = 0;
  for (const auto& folder : folders(argc, argv)) {
    if (!std::filesystem::is_directory(folder)) {
      std::cout << "golden_check: there is no folder " << folder.string() << "\n";
      return 2;
    }
    for (const auto& file : pam::test::golden_files(folder)) {
      const auto row = pam::test::compare_golden(file);
      std::cout << row.text() << std::endl;
      ++(row.passed() ? passed : failed);
    }
  }
  std::cout << passed << " of " << passed + failed << " golden files agree to " << pam::test::kGoldenBound << "\n";
  if (passed + failed == 0) return 2;
  return failed == 0 ? 0 : 1;
}
