// Who answers a task's requests: a loaded model under a method. Tests use made-up ones.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "eval/task.h"

namespace longhaul {

struct Answers {
  std::vector<Answer> each;    // one for each request, in order
  Json cost = Json::object();  // what the whole batch cost beside time and memory: {"skip_rate": 0.31, "chunk": 4096}
};

class Responder {
 public:
  virtual ~Responder() = default;
  virtual Json about() const = 0;                         // label, position, trained_length, parameters
  virtual std::string refusal(int64_t length) const = 0;  // why this model cannot take the length; empty: it can
  virtual int64_t batch(int64_t length) const = 0;        // requests of this length that are answered together
  virtual Answers answer(const std::vector<Request>& requests) const = 0;  // each as if it were alone
};

// A row of the matrix: one model under one method, loaded only when something is left to ask it.
struct Subject {
  std::string name;                // "runs/tiny-rope"
  Json identity = Json::object();  // {"weights": hash, "config": hash}
  Json run = Json::
      object();  // for people and for grouping: {"seed": 1, "recipe": hash of the run's settings without the seed}
  std::string method = "none";
  Json settings = Json::object();  // all else that decides an answer: {"dtype": "f32", "device": "cpu"}
  std::string journal;             // folder its results go to
  std::function<std::unique_ptr<Responder>()> load;
};

struct ModelSubjectOptions {
  std::string dtype = "f32";  // f32, bf16 (products), f64
  std::string weight_dtype;   // as inference_options(); "": as dtype
  std::string device = "cpu";
  int64_t chunk =
      0;  // tokens a layer takes at a time; 0: 4,096 for longer windows where the encoding is exact in chunks
  int64_t vocab = 0;                   // of the data without added tokens: a model with a smaller one is an Error
  std::string journal;                 // "": <folder>/eval
  std::vector<std::string> overrides;  // of config.json, as LoadOptions
  std::string method = "none";         // as LoadOptions
};

// Error, which names the model, for what its load() would refuse: its files, its method, a vocabulary smaller than the data's. No
// weights are read, and no file is hashed.
void check_model_subject(const std::string& name, const ModelSubjectOptions& options);

// A model directory, or a model of the local hub cache, as a subject: files are hashed now, the model is loaded on demand.
Subject model_subject(const std::string& name, const ModelSubjectOptions& options);

}  // namespace longhaul
