// SPDX-License-Identifier: MIT
#include "explain/explain_options.hpp"

#include "engine/preparation.hpp"

namespace pam::apps {

ExplainCommands add_explain_options(CLI::App& app, ExplainArguments& a) {
  ExplainCommands commands;
  app.require_subcommand(1);
  auto* maps = commands.maps =
      app.add_subcommand("maps", "attention of every encoder level, and errors of several networks, on one case");
  maps->add_option("--weights", a.weights,
                   ".safetensors, .pt, .pth or a name as of predict; several networks stand side by side")
      ->required();
  maps->add_option("--input", a.inputs, "the image (several: the modalities in channel order)")->required();
  maps->add_option("--labels", a.labels, "the true mask; without it errors are not shown");
  maps->add_option("--label-values", a.label_values, "foreground of the mask (default: nonzero)");
  maps->add_option("--label-threshold", a.label_threshold, kLabelThresholdHelp)->check(CLI::PositiveNumber);
  maps->add_option("--mask-channel", a.mask_channel, kMaskChannelHelp);
  maps->add_option(
          "--slice", a.slice,
          "slice to show, from 0 on, of the volume as the network sees it (default: those with most foreground)")
      ->check(CLI::NonNegativeNumber);
  maps->add_option("--slices", a.slices, "how many are chosen (default 3)")->check(CLI::Range(1, 100));
  maps->add_option("--show-channel", a.show_channel, "modality under the colours (default 0)")
      ->check(CLI::NonNegativeNumber);
  maps->add_option("--batch", a.batch, "slices at once (default 4)")->check(CLI::Range(1, 4096));
  auto* field = commands.field =
      app.add_subcommand("receptive-field", "effective receptive fields of blocks and networks");
  field->add_option("--nets", a.nets, "networks of the zoo with random weights");
  field->add_option("--weights", a.weights, "networks with trained weights");
  field->add_option("--in-channels", a.field.in_channels, "of --nets (default 4)")->check(CLI::Range(1, 4096));
  field->add_option("--width", a.field.width, "of --nets (default: their own)")->check(CLI::Range(1, 4096));
  field->add_option("--size", a.field.size, "side of the input (default 160)")->check(CLI::Range(16, 4096));
  field->add_option("--samples", a.field.samples, "random inputs (default 16)")->check(CLI::Range(1, 100000));
  field->add_option("--seed", a.field.seed, "of weights and inputs (default 0)")->check(CLI::NonNegativeNumber);
  for (auto* command : {maps, field}) {
    command->add_option("--out", a.out, "folder of the results")->required();
    command->add_option("--net", a.net,
                        "the network's name, if the weights file does not say (one for all, or one for each)");
    command->add_option("--section", a.section, "the key of a .pt checkpoint that holds the weights, such as ema");
    command->add_option("--key-prefix", a.key_prefix,
                        "take the weights whose names begin with this, such as model. (default: what all names share)");
    command->add_option("--reversed", a.reversed, "whether the weights learnt reversed labels, if the files do not say")
        ->check(CLI::IsMember({"yes", "no"}));
    command->add_option("--threads", a.threads, "CPU threads; 0: one per core")->check(CLI::Range(0, 4096));
  }
  commands.maps_rules = {
      {"--slice", OptionRule::kExcludes, "--slices", "one names the slice, the other says how many are chosen"},
      {"--label-values", OptionRule::kNeeds, "--labels", "says what the true mask holds, and none is given"},
      {"--label-threshold", OptionRule::kNeeds, "--labels", "says what the true mask holds, and none is given"},
      {"--label-threshold", OptionRule::kExcludes, "--label-values", "both say what is foreground"},
      {"--mask-channel", OptionRule::kNeeds, "--labels", "says where the true mask lies, and none is given"}};
  for (const char* option : {"--in-channels", "--width"}) {
    commands.field_rules.push_back(
        {option, OptionRule::kNeeds, "--nets", "is of networks with random weights, and none is named"});
  }
  for (const char* option : {"--net", "--section", "--key-prefix", "--reversed"}) {
    commands.field_rules.push_back(
        {option, OptionRule::kNeeds, "--weights", "says how files of weights are read, and none is given"});
  }
  return commands;
}

}  // namespace pam::apps
