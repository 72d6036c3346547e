// SPDX-License-Identifier: MIT
#include <pam/datasets/other_files.hpp>

#include <pam/datasets/find_cases.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace datasets_other_files_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

TEST_CASE("files that are not read are counted in one sentence; clutter is not", "[datasets]") {
  const TempDir folder;
  for (const char* name : {"images/a.png", "images/b.BMP", "labels/a.png", "labels/b.png", "images/.DS_Store",
                           "images/._a.png", "labels/Thumbs.db", "labels/desktop.ini"}) {
    write_file(folder / name);
  }
  FolderOptions options;
  options.root = folder.path();
  const auto cases = find_cases(options);
  REQUIRE(cases.size() == 2);
  CHECK(other_files_warning(cases).empty());
  for (const char* name : {"images/c.dcm", "images/d.gif", "labels/e.json", "labels/f"}) write_file(folder / name);
  CHECK_THAT(other_files_warning(cases),
             Contains("4 files beside the data are not read") && Contains("c.dcm") && Contains(" and 1 more"));
}

TEST_CASE("__MACOSX beside case folders is passed over, a .hdr/.img pair refused by that name", "[datasets]") {
  const TempDir folder;
  for (const char* name : {"p1/p1_t1.nii", "p1/p1_seg.nii", "__MACOSX/._p1"}) write_file(folder / name);
  FolderOptions options;
  options.root = folder.path();
  options.modalities = {"t1"};
  CHECK(find_cases(options).size() == 1);
  write_file(folder / "p1/p1_t2.hdr"), write_file(folder / "p1/p1_t2.img");
  CHECK_THROWS_WITH(find_cases(options), Contains(".hdr/.img pair") && Contains(".nii.gz"));
}

}  // namespace datasets_other_files_test
