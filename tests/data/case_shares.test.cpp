// SPDX-License-Identifier: MIT
#include <pam/data/detail/case_shares.hpp>
#include <pam/data/loader.hpp>

#include "support/catch.hpp"

#include <numeric>
#include <set>

namespace data_case_shares_test {
using namespace pam;
using Catch::Contains;

/// Cases "0", "1", … with `sizes` samples each; sample i of all is filled with i.
class Cases final : public Dataset {
 public:
  explicit Cases(const std::vector<std::int64_t>& sizes) {
    for (std::size_t each = 0; each < sizes.size(); ++each) {
      names_.insert(names_.end(), static_cast<std::size_t>(sizes[each]), std::to_string(each));
    }
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(names_.size()); }
  std::string case_name(std::int64_t index) const override { return names_[static_cast<std::size_t>(index)]; }
  Sample get(std::int64_t index) const override {
    return {torch::full({1, 2, 3}, static_cast<float>(index)), torch::zeros({2, 3}, torch::kLong), case_name(index),
            index};
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

TEST_CASE("each process gets whole cases, together all of them, and equally many samples", "[data]") {
  // 17 samples; the largest first: {7}, {4, 2}, {3, 1}, so the longest share is 7 and 3 * 7 - 17 are repeated.
  const auto data = std::make_shared<Cases>(std::vector<std::int64_t>{3, 1, 4, 7, 2});
  LoaderOptions options;
  options.batch_size = 2;
  options.world_size = 3;
  options.seed = 5;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    std::set<std::string> cases;
    std::set<std::int64_t> samples;
    for (options.rank = 0; options.rank < 3; ++options.rank) {
      DataLoader loader(data, options);
      REQUIRE(loader.batches() == 4);
      REQUIRE(loader.samples() == 7);
      REQUIRE(loader.repeated() == 4);
      loader.start_epoch(epoch);
      std::set<std::string> own;
      std::int64_t seen = 0, batches = 0;
      while (const auto batch = loader.next()) {
        ++batches;
        seen += batch->size();
        own.insert(batch->case_names.begin(), batch->case_names.end());
        samples.insert(batch->slices.begin(), batch->slices.end());
      }
      REQUIRE(batches == 4);
      REQUIRE(seen == 7);
      for (const auto& name : own) REQUIRE(cases.insert(name).second);  // of no other process
    }
    REQUIRE(cases.size() == 5);
    REQUIRE(samples.size() == 17);
  }
}

TEST_CASE("repeated samples are a share's own first ones, again and again where it is short", "[data]") {
  const CaseShares shares({"a", "a", "a", "a", "a", "b", "b"}, 2);
  REQUIRE(shares.length() == 5);
  REQUIRE(shares.repeated() == 3);
  const auto own = shares.share(1, SampleRandom(0));
  REQUIRE(own == std::vector<std::int64_t>{5, 6});
  REQUIRE(shares.filled({6, 5}) == std::vector<std::int64_t>{6, 5, 6, 5, 6});
}

TEST_CASE("cases of one size change processes between epochs, unless the order is fixed", "[data]") {
  const auto data = std::make_shared<Cases>(std::vector<std::int64_t>(16, 1));
  LoaderOptions options;
  options.world_size = 2;
  const auto first_cases = [&](std::int64_t epoch) {
    DataLoader loader(data, options);
    loader.start_epoch(epoch);
    std::set<std::int64_t> own;
    while (const auto batch = loader.next()) own.insert(batch->slices[0]);
    REQUIRE(own.size() == 8);
    return own;
  };
  REQUIRE(first_cases(0) == first_cases(0));
  REQUIRE(first_cases(0) != first_cases(1));
  options.shuffle = false;
  REQUIRE(first_cases(0) == first_cases(1));
}

TEST_CASE("one process draws as without shares", "[data]") {
  const auto data = std::make_shared<Cases>(std::vector<std::int64_t>{3, 1, 4});
  LoaderOptions options;
  options.shuffle = false;
  DataLoader loader(data, options);
  loader.start_epoch(0);
  for (std::int64_t i = 0; i < 8; ++i) REQUIRE(loader.next()->slices[0] == i);
  REQUIRE_FALSE(loader.next().has_value());
  REQUIRE(loader.repeated() == 0);
}

TEST_CASE("fewer cases than processes, and ranks out of range, are refused", "[data]") {
  const auto data = std::make_shared<Cases>(std::vector<std::int64_t>{9, 9});
  LoaderOptions options;
  options.world_size = 3;
  REQUIRE_THROWS_WITH(DataLoader(data, options), Contains("2 training cases for 3 processes") && Contains("at most 2"));
  options.world_size = 2;
  options.rank = 2;
  REQUIRE_THROWS_WITH(DataLoader(data, options), Contains("rank 2 of 2"));
}

}  // namespace data_case_shares_test
