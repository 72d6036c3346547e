// SPDX-License-Identifier: MIT
/// make_phantoms: the program over support/phantom.hpp.
#include "apps/program_runs.hpp"

#include <pam/datasets/find_brats.hpp>
#include <pam/datasets/find_cases.hpp>
#include <pam/datasets/find_cityscapes.hpp>
#include <pam/datasets/find_isles.hpp>
#include <pam/images/nifti.hpp>

namespace support_make_phantoms_test {
using namespace pam;
using test::TempDir;

test::ProgramEnd make(const std::vector<std::string>& arguments) {
  return test::run_program_with(test::program_named("make_phantoms"), arguments);
}

TEST_CASE("make_phantoms writes each layout so that its finder takes it", "[support]") {
  PAM_SKIP_WITHOUT("make_phantoms");
  const TempDir folder;
  for (const char* layout : {"brats", "isles", "cityscapes", "folder", "pictures", "blurred"}) {
    CAPTURE(layout);
    const auto end = make(
        {"--layout", layout, "--cases", "2", "--size", "24x32", "--slices", "3", "--out", (folder / layout).string()});
    CAPTURE(end.err);
    REQUIRE(end.code == 0);
  }
  const auto brats = find_brats({folder / "brats"}).cases;
  REQUIRE(brats.size() == 2);
  REQUIRE(read_nifti(brats[0].labels).voxels.sizes() == torch::IntArrayRef({3, 24, 32}));
  REQUIRE(find_isles(folder / "isles").cases.size() == 2);
  REQUIRE(find_cityscapes(folder / "cityscapes", "").cases.size() == 6);  // of three cities
  for (const char* layout : {"folder", "pictures", "blurred"}) {
    FolderOptions where;
    where.root = folder / layout;
    REQUIRE(find_cases(where).size() == 2);
  }
}

TEST_CASE("make_phantoms gives the foreground the value asked for, and refuses what it does not know", "[support]") {
  PAM_SKIP_WITHOUT("make_phantoms");
  const TempDir folder;
  const auto out = (folder / "data").string();
  REQUIRE(make({"--layout", "folder", "--cases", "1", "--label", "74", "--out", out}).code == 0);
  const auto labels = read_nifti(folder / "data" / "labels" / "case_001.nii.gz").voxels;
  REQUIRE(labels.max().item<int>() == 74);
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--layout", "brast", "--out", out},
                                                {"--layout", "brats"},
                                                {"--cases", "x", "--out", out},
                                                {"--layout", "folder", "--out", out, "--size", "12"},
                                                {"--out"},
                                                {"--case", "1"},
                                                {"--layout", "folder", "--out", out, "--contrast", "1"},
                                                {"--layout", "blurred", "--out", out, "--contrast", "high"},
                                                {"--layout", "blurred", "--out", out, "--contrast", "-1"},
                                                {"--layout", "blurred", "--out", out, "--blur", "21"},
                                                {"--layout", "folder", "--out", out, "--label", "256"},
                                                {"--layout", "folder", "--out", out, "--cases", "0"}}) {
    const auto end = make(wrong);
    CAPTURE(wrong, end.err);
    REQUIRE(end.code == 2);
    REQUIRE(end.err.rfind("error: ", 0) == 0);
  }
}

}  // namespace support_make_phantoms_test
