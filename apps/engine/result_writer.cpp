// SPDX-License-Identifier: MIT
#include "engine/result_writer.hpp"

#include "engine/run_folder.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace pam::apps {
namespace {

std::string summary(const CasePrediction& found, const std::filesystem::path& file) {
  const auto voxels = found.labels.gt(0).sum().item<std::int64_t>();
  return fmt::format("{}: {} of {} {} are foreground -> {}", found.source.name, voxels, found.labels.numel(),
                     found.source.is_volume ? "voxels" : "pixels", file.string());
}

}  // namespace

ResultWriter::ResultWriter(std::filesystem::path folder, bool probabilities, ProgressLine& line)
    : folder_(std::move(folder)), probabilities_(probabilities), line_(line) {}

void ResultWriter::start(CasePrediction found) {
  finish();
  mark_results(folder_);       // not before there is a result
  found.source.image.reset();  // volumes are large, and the next case is in memory already
  written_ = std::async(std::launch::async, [this, found = std::move(found)] {
    return summary(found, write_prediction(found, folder_, probabilities_).front());
  });
}

void ResultWriter::finish() {
  if (written_.valid()) line_.finish(written_.get());
}

void ResultWriter::finish_if_written() {
  if (written_.valid() && written_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) finish();
}

}  // namespace pam::apps
