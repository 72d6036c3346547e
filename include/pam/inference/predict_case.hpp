// SPDX-License-Identifier: MIT
/// `predict_case` and `write_prediction`: from the files of a case to a mask beside them. Needs pam's component `io`.
///
///     const pam::Predictor predictor("fpa.safetensors");
///     pam::write_prediction(pam::predict_case(predictor, {"scan", {"scan.nii.gz"}, {}}), "masks");
#pragma once

#include <pam/core/config.hpp>
#include <pam/data/case_files.hpp>
#include <pam/images/case.hpp>
#include <pam/inference/predictor.hpp>

#include <filesystem>
#include <vector>

namespace pam {

/// The prediction of a case, on the grid of its files.
struct CasePrediction {
  torch::Tensor labels;         ///< (D, H, W) int64 as `Predictor::labels` decides; a picture has D = 1
  torch::Tensor probabilities;  ///< (K, D, H, W) float32; K = 1: of the foreground
  Case source;                  ///< the prepared case: its name, files, geometry and notices
};

/// Loads the images of `files` as `predictor` prepares them and predicts. If the case is one hemisphere
/// (`CaseFiles::part`), the other one is background. `files.labels` is not needed, and read only if
/// `CaseOptions::resample` brings the images to its grid. Throws `Error` as `load_case` does, and for another number of
/// channels than the net takes; `NonFiniteError`, naming case and slice, where the net gives NaN or infinity.
[[nodiscard]] CasePrediction predict_case(const Predictor& predictor, const CaseFiles& files,
                                          const Predictor::Progress& progress = {});

/// The first half of `predict_case`: a case for a net of `in_channels` channels (0: any number). Pictures become grey
/// or RGB as the net wants where `CaseOptions::channels` does not say. Throws `Error` as `load_case` does, and for
/// another number of channels.
[[nodiscard]] Case load_input(const CaseFiles& files, const CaseOptions& options, std::int64_t in_channels);
/// The second half.
[[nodiscard]] CasePrediction predict_case(const Predictor& predictor, Case source,
                                          const Predictor::Progress& progress = {});

/// The files that `write_prediction` makes of a case: NAME in the format of its first image (.nii.gz, .nii, .tif; .png
/// for all other pictures, since JPEG would change labels), and for `maps` channels of probabilities NAME_probability,
/// for several channels of pictures NAME_probability_0 and so on. NIfTI holds all channels in one file.
[[nodiscard]] std::vector<std::filesystem::path> prediction_files(const CaseFiles& files, std::int64_t maps,
                                                                  const std::filesystem::path& folder);

/// Writes the labels to `folder`/NAME, and with `probabilities` those to `folder`/NAME_probability: NIfTI with the
/// input's affine (several classes along the fourth axis), or pictures whose grey values are class numbers, with 16-bit
/// probabilities, 65535 = 1. Makes the folder, replaces files, and returns their names (`prediction_files`).
std::vector<std::filesystem::path> write_prediction(const CasePrediction& prediction,
                                                    const std::filesystem::path& folder, bool probabilities = false);

/// Writes `labels` (D, H, W) to the NIfTI file `path` with the grid `geometry`, in 8 bits where all fit, else 16.
void write_labels(const std::filesystem::path& path, const torch::Tensor& labels, const NiftiGeometry& geometry);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/predict_case-inl.hpp>
#endif
