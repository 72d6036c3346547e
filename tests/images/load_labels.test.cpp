// SPDX-License-Identifier: MIT
#include <pam/images/load_labels.hpp>

#include <pam/images/image_labels.hpp>
#include <pam/images/nifti.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace images_load_labels_test {

using namespace pam;
using Catch::Matchers::Contains;

TEST_CASE("labels come on their file's own grid, mapped to classes", "[images]") {
  const test::TempDir folder;
  const auto stored = torch::arange(2 * 3 * 4).view({2, 3, 4}).remainder(5).to(torch::kByte);
  write_nifti(folder / "a_seg.nii.gz", stored, NiftiGeometry());
  const auto labels = load_labels({"a", {}, folder / "a_seg.nii.gz"}, LabelMap::parse("4"));
  CHECK(labels.scalar_type() == torch::kLong);
  CHECK(torch::equal(labels, stored.eq(4).to(torch::kLong)));

  write_label_image(folder / "b.png", stored[0]);
  const auto picture = load_labels({"b", {}, folder / "b.png"}, LabelMap::parse("1=1,3=2"));
  CHECK(picture.sizes() == torch::IntArrayRef({1, 3, 4}));
  CHECK(torch::equal(picture[0], stored[0].eq(1).to(torch::kLong) + 2 * stored[0].eq(3).to(torch::kLong)));

  CHECK_THROWS_WITH(load_labels({"c", {}, {}}, LabelMap::parse("1")), Contains("case c") && Contains("no label file"));
  CHECK_THROWS_WITH(load_labels({"d", {}, folder / "d.nii"}, LabelMap::parse("1")),
                    Contains("case d") && Contains("d.nii"));
}

}  // namespace images_load_labels_test
