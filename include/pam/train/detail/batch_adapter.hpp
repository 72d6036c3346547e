// SPDX-License-Identifier: MIT
/// Turns what users pass to `fit` as batches into a `BatchSource`: a class with the same functions that does not derive
/// from it, a torch::data loader, a std::vector of batches.
#pragma once

#include <pam/core/seed.hpp>
#include <pam/core/stopwatch.hpp>
#include <pam/data/batch_source.hpp>

#include <cstdint>
#include <iterator>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace pam::detail {

template <typename T>
constexpr bool always_false = false;

#define PAM_DETECT(NAME, EXPRESSION)     \
  template <typename T, typename = void> \
  struct NAME : std::false_type {};      \
  template <typename T>                  \
  struct NAME<T, std::void_t<decltype(EXPRESSION)>> : std::true_type {}
PAM_DETECT(has_images_and_labels, (std::declval<T&>().images, std::declval<T&>().labels));
PAM_DETECT(has_case_names, std::declval<T&>().case_names);
PAM_DETECT(has_slices, std::declval<T&>().slices);
PAM_DETECT(has_data_and_target, (std::declval<T&>().data, std::declval<T&>().target));
PAM_DETECT(is_tuple_like, std::tuple_size<T>::value);
PAM_DETECT(has_start_epoch, (std::declval<T&>().start_epoch(std::int64_t{}), std::declval<T&>().next()));
PAM_DETECT(has_batches, std::declval<T&>().batches());
PAM_DETECT(has_wait_seconds, std::declval<T&>().wait_seconds());
PAM_DETECT(has_skip, std::declval<T&>().skip(std::int64_t{}));
PAM_DETECT(is_range, (std::declval<T&>().begin() == std::declval<T&>().end()));
PAM_DETECT(has_size, std::declval<T&>().size());
#undef PAM_DETECT

/// pam's batch, or only tensors: {images, labels}, torch::data::Example, a pair.
template <typename Given>
Batch to_batch(Given&& given) {
  using Type = std::decay_t<Given>;
  if constexpr (std::is_same_v<Type, Batch>) {
    return std::forward<Given>(given);
  } else if constexpr (has_images_and_labels<Type>::value) {
    Batch batch{given.images, given.labels};
    if constexpr (has_case_names<Type>::value) batch.case_names = given.case_names;
    if constexpr (has_slices<Type>::value) batch.slices = given.slices;
    return batch;
  } else if constexpr (has_data_and_target<Type>::value) {
    return {given.data, given.target};
  } else if constexpr (is_tuple_like<Type>::value) {
    static_assert(std::tuple_size_v<Type> == 2, "pam::fit: a batch as a tuple must be {images, labels}, two tensors");
    return {std::get<0>(given), std::get<1>(given)};
  } else {
    static_assert(always_false<Type>,
                  "pam::fit: a batch must be a pam::Batch, a pair {images, labels} or a torch::data::Example; a "
                  "torch::data loader must stack its examples: dataset.map(torch::data::transforms::Stack<>())");
  }
}

/// A class with start_epoch and next that does not derive from `BatchSource`; batches, wait_seconds and skip where it
/// has them.
template <typename Loader>
class DuckSource final : public BatchSource {
 public:
  DuckSource(Loader& loader, std::int64_t /*seed*/) : loader_(loader) {}
  void start_epoch(std::int64_t epoch) override { loader_.start_epoch(epoch); }
  std::optional<Batch> next() override {
    auto given = loader_.next();
    return given ? std::optional<Batch>(to_batch(*std::move(given))) : std::nullopt;
  }
  [[nodiscard]] std::int64_t batches() const override {
    if constexpr (has_batches<Loader>::value) return static_cast<std::int64_t>(loader_.batches());
    return 0;
  }
  [[nodiscard]] double wait_seconds() const override {
    if constexpr (has_wait_seconds<Loader>::value) return loader_.wait_seconds();
    return 0;
  }
  void skip(std::int64_t count) override {
    if constexpr (has_skip<Loader>::value) {
      if (count > 0) loader_.skip(count);
    } else {
      BatchSource::skip(count);
    }
  }

 private:
  Loader& loader_;
};

/// Anything that can be iterated over once per epoch: a torch::data loader, a container of batches.
template <typename Range>
class RangeSource final : public BatchSource {
 public:
  RangeSource(Range& range, std::int64_t seed) : range_(range), seed_(seed) {}
  void start_epoch(std::int64_t epoch) override {
    // A torch::data loader draws the epoch's order here, from the default generator. Seeded by the epoch's number, the
    // order is the same after an interruption.
    const SeedScope order(static_cast<std::uint64_t>(seed_) * 0x9E3779B97F4A7C15ULL +
                          static_cast<std::uint64_t>(epoch));
    waited_ = 0;
    at_.emplace(range_.begin());
    fresh_ = true;
  }
  std::optional<Batch> next() override {
    const Stopwatch watch;
    if (!std::exchange(fresh_, false)) ++*at_;
    std::optional<Batch> batch;
    if (!(*at_ == range_.end())) batch = to_batch(**at_);
    waited_ += watch.seconds();
    return batch;
  }
  [[nodiscard]] std::int64_t batches() const override {
    if constexpr (has_size<Range>::value) return static_cast<std::int64_t>(range_.size());
    return 0;
  }
  [[nodiscard]] double wait_seconds() const override { return waited_; }

 private:
  Range& range_;
  std::int64_t seed_;
  std::optional<decltype(std::declval<Range&>().begin())> at_;
  bool fresh_ = false;
  double waited_ = 0;
};

/// `act(source)` with `batches` as a `BatchSource`.
template <typename Batches, typename Act>
auto with_batch_source(Batches& batches, std::int64_t seed, Act&& act) {
  if constexpr (std::is_base_of_v<BatchSource, Batches>) {
    return act(static_cast<BatchSource&>(batches));
  } else if constexpr (has_start_epoch<Batches>::value) {
    DuckSource<Batches> source(batches, seed);
    return act(static_cast<BatchSource&>(source));
  } else if constexpr (is_range<Batches>::value) {
    RangeSource<Batches> source(batches, seed);
    return act(static_cast<BatchSource&>(source));
  } else {
    static_assert(
        always_false<Batches>,
        "pam::fit: the batches must be a pam::DataLoader or another pam::BatchSource, a torch::data loader or a "
        "std::vector of batches; of a std::unique_ptr to one pass *pointer");
  }
}

}  // namespace pam::detail
