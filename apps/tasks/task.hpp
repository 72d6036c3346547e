// SPDX-License-Identifier: MIT
/// `Task`: what `train` gives the engine (training_run.hpp): batches to train on, cases to score, and how a prediction
/// goes back to a file. The engine knows nothing of folders, modalities or splits.
#pragma once

#include "report/run_record.hpp"

#include <pam/data/loader.hpp>
#include <pam/images/nifti_geometry.hpp>
#include <pam/report/overlay.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// One volume (D slices) or picture (D = 1): what the network sees, and, on the grid of the input file, what is scored
/// and shown.
struct EvalCase {
  std::string name;      ///< also the name of its files, so without slashes
  torch::Tensor images;  ///< (D, C, h, w) float32, prepared as in training
  torch::Tensor labels;  ///< (D, h, w) int64 on the grid of `images`
  torch::Tensor truth;   ///< (D, H, W) int64 on the input's grid; `kIgnoreLabel` where nothing is to be scored
  std::optional<NiftiGeometry> geometry;  ///< of the input's grid; none: a picture, whose distances are in pixels
  torch::Tensor shown;                    ///< (D, H, W) or (D, 3, H, W): what pictures show under the colours
  OverlayOptions view;                    ///< how
  /// A prediction (D, h, w) on the input's grid: (D, H, W).
  std::function<torch::Tensor(const torch::Tensor&)> to_input_grid;

  /// (d, h, w) in mm; empty for pictures.
  [[nodiscard]] std::vector<double> spacing() const;
};

/// Writes `labels` (D, H, W), a prediction on the input's grid, to NAME.nii.gz with the input's affine, or for a
/// picture to NAME.png (class numbers as grey values), and returns the file.
std::filesystem::path save_prediction(const EvalCase& each, const torch::Tensor& labels,
                                      const std::filesystem::path& folder);
/// What `save_prediction` wrote: (D, H, W) int64.
torch::Tensor read_prediction(const EvalCase& each, const std::filesystem::path& folder);

/// The cases of one split, prepared one at a time.
class CaseSource {
 public:
  CaseSource() = default;
  CaseSource(const CaseSource&) = delete;
  CaseSource& operator=(const CaseSource&) = delete;
  virtual ~CaseSource() = default;

  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  /// Everything of case `index`.
  [[nodiscard]] virtual EvalCase load(std::size_t index) const = 0;
  /// `name`, `images` and `labels` alone, for the validation after each epoch.
  [[nodiscard]] virtual EvalCase load_for_validation(std::size_t index) const = 0;
};

/// The batches that the engine asks for.
struct LoaderRequest {
  std::int64_t batch = 4, seed = 0, workers = 2;
  std::int64_t min_size = 1;  ///< smallest side that the network takes; smaller slices are padded
  bool flip = true;
  double noise = 0;
  std::int64_t rank = 0, world_size = 1;  ///< this process among those that train together; `batch` is of each
  bool pin_memory = false;                ///< batches for a GPU
};

/// The `DataLoader`'s options for a request, where slices are at most `largest` and are padded to that.
LoaderOptions loader_options(const LoaderRequest& request, PlaneSize largest);

struct Task {
  std::string title;                 ///< of the report: what is segmented where
  std::string lead;                  ///< one sentence: which cases train and which test
  std::vector<std::string> caveats;  ///< what readers of the scores must know
  std::string unit = "mm";           ///< of distances
  std::int64_t in_channels = 1;
  std::int64_t classes = 1;            ///< channels of the logits: 1 = binary, else background and the classes
  std::vector<FileFingerprint> files;  ///< all files that were read, with fingerprints
  /// {"train": [names], "validation": …, "test": …, "labels": what is foreground}: a run is continued with the same.
  nlohmann::json parts = nlohmann::json::object();
  std::string data;  ///< where it is from, in words
  std::function<std::unique_ptr<DataLoader>(const LoaderRequest&)> make_loader;
  std::shared_ptr<const CaseSource> validation;  ///< may be null: then the last weights are scored, else the best
  std::shared_ptr<const CaseSource> test;        ///< never null; without cases nothing is scored
  /// For the weights' metadata, each may be null: how images are prepared (`preparation_to_json`), the words that name
  /// the modalities, and for x, y, z the [smallest, largest] voxel of the training volumes in mm.
  nlohmann::json input, modalities, spacing;
};

/// Rows and columns flipped so that a NIfTI slice is shown as radiologists look at it: front (or top) up, the subject's
/// right on the left. `orientation` as from `pam::orientation`, "RAS".
OverlayOptions radiological_view(const std::string& orientation);

}  // namespace pam::apps
