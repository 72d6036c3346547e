// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <pam/inference/largest_component.hpp>

#include "support/bytes.hpp"
#include "support/python.hpp"

namespace inference_largest_component_test {

using namespace pam;

TEST_CASE("of each class the largest part stays; corners connect, also between slices", "[inference]") {
  auto labels = torch::zeros({2, 5, 6}, torch::kLong);
  labels[0][0][0] = labels[0][1][1] = labels[1][2][2] = 1;  // three voxels that touch by corners
  labels[0][4][4] = labels[0][4][5] = 1;                    // two that touch by a face
  labels[0][3][0] = 2;                                      // the only one of its class
  labels[1][0][5] = -1;                                     // ignored: stays
  auto expected = labels.clone();
  expected[0][4][4] = expected[0][4][5] = 0;
  REQUIRE(torch::equal(largest_component(labels), expected));
  REQUIRE(torch::equal(largest_component(expected), expected));
  REQUIRE(largest_component(labels.to(torch::kByte).clamp_max(2)).scalar_type() == torch::kByte);
  const auto empty = torch::zeros({1, 3, 3}, torch::kLong);
  REQUIRE(torch::equal(largest_component(empty), empty));
  REQUIRE_THROWS_WITH(largest_component(torch::zeros({3, 3})), Catch::Contains("(D, H, W)"));
}

TEST_CASE("random masks keep the component that scipy.ndimage keeps", "[inference]") {
  if (!test::python_has("numpy, scipy.ndimage")) PAM_SKIP("Debian's python3-scipy is absent");
  torch::manual_seed(3);
  const test::TempDir folder;
  const auto file = (folder / "mask").string();
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{1, 40, 37}, {9, 20, 23}}) {
    const auto mask = (torch::rand(shape) < 0.12).to(torch::kByte).contiguous();
    const auto* bytes = mask.data_ptr<std::uint8_t>();
    test::write_bytes(file, test::Bytes(bytes, bytes + mask.numel()));
    test::run_python(R"(
import sys, numpy, scipy.ndimage
mask = numpy.fromfile(sys.argv[1], dtype=numpy.uint8).reshape([int(n) for n in sys.argv[2:]])
parts, _ = scipy.ndimage.label(mask, numpy.ones((3, 3, 3)))
sizes = numpy.bincount(parts.ravel()); sizes[0] = 0
(parts == sizes.argmax()).astype(numpy.uint8).tofile(sys.argv[1])
)",
                     {file, std::to_string(shape[0]), std::to_string(shape[1]), std::to_string(shape[2])});
    auto kept = test::read_bytes(file);
    const auto expected = torch::from_blob(kept.data(), shape, torch::kByte);
    REQUIRE(expected.sum().item<std::int64_t>() > 0);
    REQUIRE(torch::equal(largest_component(mask), expected));
  }
}

}  // namespace inference_largest_component_test
