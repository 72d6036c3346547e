// SPDX-License-Identifier: MIT
#include <pam/metrics/mask_border.hpp>

#include "metrics/masks.hpp"
#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"

namespace metrics_mask_border_test {
using namespace pam;
using Catch::Contains;
using pam::test::box_mask;

std::int64_t points(const torch::Tensor& mask, Connectivity connectivity = Connectivity::Faces) {
  return mask_border(mask, connectivity).sum().item<std::int64_t>();
}

TEST_CASE("the border of a box is its shell, also where it touches the image's edge", "[metrics]") {
  const auto box = box_mask({12, 12}, {{{2, 8}, {3, 9}}});
  REQUIRE(points(box) == 36 - 16);
  REQUIRE(torch::equal(mask_border(box), (box - box_mask({12, 12}, {{{3, 7}, {4, 8}}})).to(torch::kBool)));
  REQUIRE(points(torch::ones({6, 6}, torch::kBool)) == 36 - 16);
  REQUIRE(points(torch::ones({5, 5, 5}, torch::kLong)) == 125 - 27);
  REQUIRE(points(torch::ones({7}, torch::kByte)) == 2);
  REQUIRE(points(torch::zeros({5, 5}, torch::kByte)) == 0);
}

TEST_CASE("diagonal neighbours count only with full connectivity", "[metrics]") {
  auto mask = torch::ones({5, 5}, torch::kByte);
  mask[0][0] = 0;
  // Pixel (1, 1) touches the missing corner diagonally.
  REQUIRE_FALSE(mask_border(mask)[1][1].item<bool>());
  REQUIRE(mask_border(mask, Connectivity::Full)[1][1].item<bool>());
}

TEST_CASE("an axis of length 1 is left out", "[metrics]") {
  const auto slice = pam::test::box_mask({12, 12}, {{{2, 8}, {3, 9}}});
  REQUIRE(torch::equal(mask_border(slice.unsqueeze(0)), mask_border(slice).unsqueeze(0)));
  REQUIRE(torch::equal(mask_border(slice.unsqueeze(2)), mask_border(slice).unsqueeze(2)));
  REQUIRE(points(torch::ones({1, 9}, torch::kByte)) == 2);
  REQUIRE(points(torch::ones({1, 1}, torch::kByte)) == 1);  // a single pixel still has a border
  // A row of pixels in a picture of several rows is all border.
  REQUIRE(points(box_mask({3, 9}, {{{1, 2}, {0, 9}}})) == 9);
}

TEST_CASE("mask_border equals scipy's m ^ binary_erosion(m)", "[metrics]") {
  torch::manual_seed(1);
  nlohmann::json data;
  std::vector<torch::Tensor> found;
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{40, 31}, {11, 18, 14}}) {
    const auto mask = pam::test::blob_mask(shape, 5);
    data.push_back({{"shape", shape}, {"mask", pam::test::entries<std::int64_t>(mask)}});
    found.push_back(mask_border(mask));
    found.push_back(mask_border(mask, Connectivity::Full));
  }
  const auto answer = pam::test::ask_python("numpy, scipy.ndimage", R"(
answer = []
for c in data:
    m = numpy.array(c['mask'], dtype=bool).reshape(c['shape'])
    for connectivity in (1, m.ndim):
        s = scipy.ndimage.generate_binary_structure(m.ndim, connectivity)
        answer.append((m ^ scipy.ndimage.binary_erosion(m, s)).astype(int).ravel().tolist()))",
                                            data);
  if (!answer) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    REQUIRE(found[i].any().item<bool>());
    REQUIRE(pam::test::entries<std::int64_t>(found[i]) == (*answer)[i].get<std::vector<std::int64_t>>());
  }
}

TEST_CASE("mask_border refuses probabilities and batches", "[metrics]") {
  REQUIRE_THROWS_WITH(mask_border(torch::rand({4, 5})), Contains("whole numbers"));
  REQUIRE_THROWS_WITH(mask_border(torch::ones({2, 1, 4, 5}, torch::kBool)), Contains("1 to 3 axes"));
}

}  // namespace metrics_mask_border_test
