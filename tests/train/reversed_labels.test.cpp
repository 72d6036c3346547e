// SPDX-License-Identifier: MIT
#include <pam/train/reversed_labels.hpp>

#include "support/catch.hpp"

namespace train_reversed_labels_test {

using namespace pam;
using Catch::Matchers::Contains;

TEST_CASE("reversing swaps 0 and 1, keeps the ignore label, and twice is nothing", "[train]") {
  const auto labels = torch::tensor({0, 1, -1, 1}, torch::kLong);
  CHECK(torch::equal(reversed_labels(labels), torch::tensor({1, 0, -1, 0}, torch::kLong)));
  CHECK(torch::equal(reversed_labels(reversed_labels(labels)), labels));
  CHECK(torch::equal(reversed_labels(torch::tensor({0, 9}, torch::kLong), 9), torch::tensor({1, 9}, torch::kLong)));
  CHECK(reversed_labels(torch::empty({0, 3}, torch::kLong)).numel() == 0);
}

TEST_CASE("labels of more classes and logits of more channels cannot be reversed", "[train]") {
  CHECK_THROWS_WITH(reversed_labels(torch::tensor({0, 2}, torch::kLong)),
                    Contains("from 0 to 2") && Contains("binary"));
  CHECK_NOTHROW(check_reversible(torch::zeros({1, 1, 2, 2})));
  CHECK_THROWS_WITH(check_reversible(torch::zeros({1, 3, 2, 2})), Contains("got 3") && Contains("[1, 3, 2, 2]"));
}

}  // namespace train_reversed_labels_test
