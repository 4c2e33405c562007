/* unitscope_plugin.h - the Unitscope plugin ABI, major 0: a draft, to be frozen as major 1.
 *
 * A plugin is a shared library (ELF, 64-bit, little endian) that exports one symbol, us_plugin_entry_v0, and carries one
 * note (US_NOTE below) that says what it is without running it. It offers terms: objectives, penalties, step operations.
 *
 * Rules that hold for every function here:
 *
 *   threads   Calls on different instances may run at once, on different threads. Calls on one instance never overlap, but
 *             may come from different threads one after the other.
 *   memory    Each side frees what it allocated; nothing is freed across. What is passed into a call is valid until that
 *             call returns, unless its comment says otherwise.
 *   strings   UTF-8, with a length, without a NUL at the end.
 *   errors    A function that returns us_status returns US_OK, or another code and a message in its us_error.
 *   unwinding No exception and no panic may leave a function: catch it, set US_ERROR_PANICKED, return US_INTERNAL.
 *   process   A plugin does not exit, fork, install signal handlers, change the locale, the environment or the
 *             floating-point mode, or read clocks or entropy for its results. It is never unloaded.
 *   growth    Minor versions append at the end of structs that begin with struct_size; a reader uses the smaller of
 *             the two sizes. Structs without struct_size never change within a major version.
 */
#ifndef UNITSCOPE_PLUGIN_H
#define UNITSCOPE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define US_ABI_MAJOR 0
#define US_ABI_MINOR 0

#define US_EXPORT __attribute__((visibility("default")))

/* ---- status, strings, errors ---------------------------------------------------------------------------------------- */

/* 0, or one of gRPC's canonical codes. */
typedef int32_t us_status;
enum {
  US_OK = 0,
  US_CANCELLED = 1,
  US_INVALID_ARGUMENT = 3,
  US_RESOURCE_EXHAUSTED = 8,
  US_FAILED_PRECONDITION = 9,
  US_OUT_OF_RANGE = 11,
  US_UNIMPLEMENTED = 12,
  US_INTERNAL = 13
};

/* A borrowed string: len bytes at ptr. ptr may be NULL where len is 0. */
typedef struct us_str {
  const char *ptr;
  uint64_t len;
} us_str;

/* The function panicked or threw, and its guard caught it: the host calls nothing but destroy on this instance. */
#define US_ERROR_PANICKED 1u

/* Where a function says why it failed. The host owns it and its buffer, and passes it with len 0, parameter -1, flags 0.
 * The plugin writes at most cap bytes of UTF-8 to buf, sets len to their number, and, where one parameter is at fault,
 * sets parameter to its position in the term's schema. The message is lower case, without a full stop, and gives the
 * value, the rule and the way out. */
typedef struct us_error {
  char *buf;
  uint64_t cap;
  uint64_t len;
  int32_t parameter;
  uint32_t flags;
} us_error;

/* ---- tensors -------------------------------------------------------------------------------------------------------- */

/* The layout of us_device, us_dtype and us_tensor is that of DLPack 1.x's DLDevice, DLDataType and DLTensor. */
typedef struct us_device {
  int32_t device_type; /* US_DEVICE_CPU */
  int32_t device_id;
} us_device;
enum { US_DEVICE_CPU = 1 };

typedef struct us_dtype {
  uint8_t code; /* US_DTYPE_FLOAT */
  uint8_t bits; /* 32 or 64 */
  uint16_t lanes; /* 1 */
} us_dtype;
enum { US_DTYPE_FLOAT = 2 };

typedef struct us_tensor {
  void *data;
  us_device device;
  int32_t ndim; /* 1 to US_MAX_DIMS */
  us_dtype dtype;
  int64_t *shape; /* ndim sizes, each at least 1; never written by the plugin */
  int64_t *strides; /* ndim strides, in elements; never NULL; never written by the plugin */
  uint64_t byte_offset; /* 0 */
} us_tensor;

#define US_MAX_DIMS 8

/* What an axis means. A layer without space has batch and channel only; a token layout has batch, token and channel.
 * Plugins know no patches: where a term's parameters are called `layer`, `row` and `column`, the host turns the row and
 * column of a patch in a layer of tokens into the token, given as `column` alone. */
enum {
  US_AXIS_OTHER = 0,
  US_AXIS_BATCH = 1,
  US_AXIS_CHANNEL = 2,
  US_AXIS_HEIGHT = 3,
  US_AXIS_WIDTH = 4,
  US_AXIS_TOKEN = 5
};

/* A borrowed tensor and the role of each of its axes. Axis 0 is the batch: one entry per image. */
typedef struct us_view {
  us_tensor t;
  uint8_t axis[US_MAX_DIMS];
} us_view;

/* ---- parameters: a schema table goes out, validated values in the table's order come back ---------------------------- */

enum {
  US_TYPE_BOOL = 1,   /* v.i: 0 or 1 */
  US_TYPE_I64 = 2,    /* v.i */
  US_TYPE_F64 = 3,    /* v.f, finite */
  US_TYPE_STR = 4,    /* v.s */
  US_TYPE_ENUM = 5,   /* v.s: one of the choices */
  US_TYPE_LAYER = 6,  /* v.s: the path of a layer that the model has */
  US_TYPE_I64_LIST = 7, /* v.list: len int64_t at ptr */
  US_TYPE_F64_LIST = 8, /* v.list: len doubles at ptr, finite */
  US_TYPE_CLASS = 9     /* v.i: the number of a class of the model's output, from 0; a request may give the class's label */
};

typedef struct us_list {
  const void *ptr;
  uint64_t len; /* elements */
} us_list;

/* A value, or none: is_set is 0 for an optional parameter without default that the request leaves out. */
typedef struct us_value {
  uint32_t type;
  uint32_t is_set;
  union {
    int64_t i;
    double f;
    us_str s;
    us_list list;
  } v;
} us_value;

#define US_PARAM_REQUIRED 1u
#define US_PARAM_HAS_MIN 2u
#define US_PARAM_HAS_MAX 4u

/* One row of the schema. Lives as long as the process. */
typedef struct us_param {
  uint32_t struct_size;
  uint32_t type;
  uint32_t flags;
  uint32_t reserved;
  us_str name; /* a-z, 0-9, _; begins with a letter; unique in the term; not `weight`, which belongs to the host */
  us_str doc;  /* one or more sentences for the person who sets it */
  us_str unit; /* "px", "channel"; empty where it has none */
  us_value def; /* is_set 0: no default */
  double min;  /* inclusive; also for every element of a list */
  double max;
  const us_str *choices; /* US_TYPE_ENUM only */
  uint64_t n_choices;
} us_param;

/* ---- what the host offers -------------------------------------------------------------------------------------------- */

enum { US_LOG_ERROR = 1, US_LOG_WARN = 2, US_LOG_INFO = 3, US_LOG_DEBUG = 4 };

/* Lives as long as the process, unchanged. */
typedef struct us_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  us_str name;
  us_str version;
  void *ctx; /* the first argument of log */
  /* Writes one line to the service's log. Any thread, any time. level is one of US_LOG_*; msg is copied. Cannot fail. */
  void (*log)(void *ctx, int32_t level, us_str msg);
} us_host;

/* One step of one job. Valid during the call. */
typedef struct us_step {
  uint32_t struct_size;
  uint32_t flags; /* 0 */
  uint64_t step; /* 0 at first */
  uint64_t total_steps;
  uint64_t seed; /* the only entropy a term may use; differs by job, term and step */
  void *ctx; /* the argument of cancelled */
  /* Nonzero when the job was cancelled: return US_CANCELLED soon. Call it on the calling thread, during the call, at
   * least every 50 ms of work. Cannot fail. */
  int32_t (*cancelled)(void *ctx);
} us_step;

/* What eval reads and writes. Valid during the call. n is the size of every tap's batch axis. */
typedef struct us_io {
  uint32_t struct_size;
  uint32_t n_taps;
  uint64_t n;
  const us_view *in; /* n_taps views, in the order of taps(); read only */
  /* NULL: only values are wanted. Else n_taps views of the taps' shapes and dtype, which never overlap the taps, and may have
   * other strides; grad[k].t.data is NULL where tap k's gradient is not wanted. */
  const us_view *grad;
  const double *scale; /* n factors */
  double *value; /* n values, each to be written */
} us_io;

/* ---- terms ----------------------------------------------------------------------------------------------------------- */

enum {
  US_OBJECTIVE = 1, /* maximized */
  US_PENALTY = 2,   /* minimized */
  US_STEP_OPERATION = 3 /* edits the image or its gradient between steps */
};

#define US_CAP_STRIDED 1u        /* takes any strides; else the host hands row-major copies */
#define US_CAP_BATCH_COUPLED 2u  /* an image's value depends on the other images of the batch */
#define US_CAP_EDITS_IMAGE 4u    /* step operation: writes the image, after the step's move; not with the next */
#define US_CAP_EDITS_GRADIENT 8u /* step operation: writes the gradient, before the step's move */

#define US_DTYPES_F32 1u /* every term has this one */
#define US_DTYPES_F64 2u

enum {
  US_TAP_LAYER = 1, /* the value that leaves a layer: [batch, channel, height, width], [batch, channel], ... */
  US_TAP_IMAGE = 2, /* the picture before its random transforms: [batch, channel, height, width], in 0..=1 */
  US_TAP_ALPHA = 3  /* how opaque it is: [batch, 1, height, width], in 0..=1; a request whose pictures have no opacity is refused */
};

/* The tap reads the reference image that the request gives the term, in place of the picture: for every image of the batch the same
 * value of the reference, through the same draw of the random transforms; its shape is that of the tap without this flag. Its
 * gradient is never wanted: grad[k].t.data is NULL. A request without a reference image is refused. */
#define US_TAP_REFERENCE 1u

/* What a term wants to see. A layer's path may end in `:pre` (the value before its activation) or in `:pre?` (that value where
 * the layer has one, else the layer's own). */
typedef struct us_tap {
  uint32_t what;
  uint32_t flags; /* 0, or US_TAP_REFERENCE */
  us_str layer; /* US_TAP_LAYER only */
} us_tap;

struct us_term;

/* Return value of the functions below: the number of bytes taken or given, 0 at the end, negative for failure. */
typedef int64_t (*us_write_fn)(void *stream, const void *bytes, uint64_t len);
typedef int64_t (*us_read_fn)(void *stream, void *bytes, uint64_t len);

/* The functions of a term. The host calls, for each job that uses it: create, taps, prepare, eval (or apply) at every step,
 * destroy. One step may take several evals with the same us_step: one for each group of images that share a pass, and, where a request
 * multiplies terms, a first one without gradients, whose values tell the scales of the second. prepare comes again before an eval with other shapes. All that is wrong with a request is to be found by the end
 * of prepare, because until then the request can still be refused. */
typedef struct us_vtbl {
  uint32_t struct_size;
  uint32_t reserved;

  /* Makes an instance. params are n_params values in the order of the term's schema, checked against it; they and their strings
   * live until the call returns. job_seed differs by job and term. On US_OK *instance is set and owned by the plugin until
   * destroy; on another status nothing is kept, and destroy is not called.
   * Fails with US_INVALID_ARGUMENT (and error->parameter) where the values do not go together. Required. */
  us_status (*create)(const struct us_term *term, const us_host *host, const us_value *params, uint64_t n_params,
                      uint64_t job_seed, void **instance, us_error *error);

  /* Frees an instance: once, after every other call on it has returned; also after a panic. Cannot fail. Required. */
  void (*destroy)(void *instance);

  /* Says what eval wants to read: sets *taps and *n, 1 to 16. The array and its strings are the plugin's, and stay as they are
   * until the next call on this instance. Once, after create. Objectives and penalties: required; step operations: NULL. */
  us_status (*taps)(void *instance, const us_tap **taps, uint64_t *n, us_error *error);

  /* Sees the shapes of its taps (for step operations: of the image): n views with data NULL, in the order of taps(), with batch
   * size, sizes, axis roles and dtype as eval will see them; strides may differ there.
   * Fails with US_INVALID_ARGUMENT (and error->parameter) where a parameter does not fit, such as a channel that the
   * layer does not have. May be NULL. */
  us_status (*prepare)(void *instance, const us_view *shapes, uint64_t n, us_error *error);

  /* Computes the term. For every image i: io->value[i] = its value, without unit unless the term's doc says one, larger meaning
   * better for an objective and worse for a penalty. Where gradients are wanted, ADDS into them, for every tap k:
   *   grad[k] += scale[i] * d value[i] / d in[k], summed over i.
   * Without US_CAP_BATCH_COUPLED value[i] and that part of the gradient depend on image i alone.
   * The buffers hold zeros, or what other terms added. Values and gradients must be finite.
   * Fails with US_CANCELLED after step->cancelled, else as it sees fit; the job then fails with the message. Objectives and
   * penalties: required; step operations: NULL. */
  us_status (*eval)(void *instance, const us_step *step, us_io *io, us_error *error);

  /* Edits in place. image: as US_TAP_IMAGE, [batch, channel, height, width], in 0..=1; where pictures have an opacity it is one channel more, the last. gradient: the same shape, of the sum that
   * the host maximizes by the image. Writes only what the term's caps say; reads either. Without coupling between images.
   * Fails as eval does. Step operations: required; others: NULL. */
  us_status (*apply)(void *instance, const us_step *step, const us_view *image, const us_view *gradient,
                     us_error *error);

  /* Writes what a resumed job needs beyond parameters and seed, or reads it back, after prepare. write may take and read may give
   * fewer bytes than asked. Both or neither; optional, and not called by a host of minor 0. */
  us_status (*save)(void *instance, us_write_fn write, void *stream, us_error *error);
  us_status (*load)(void *instance, us_read_fn read, void *stream, us_error *error);
} us_vtbl;

/* Lives as long as the process, unchanged. */
typedef struct us_term {
  uint32_t struct_size;
  uint32_t kind; /* US_OBJECTIVE, US_PENALTY or US_STEP_OPERATION */
  us_str id; /* the name in requests: a-z, 0-9, _ and . ; begins with a letter; unique among all loaded plugins */
  us_str version;
  us_str title; /* a few words */
  us_str doc;   /* formula, range of values, source */
  uint64_t caps; /* US_CAP_* */
  uint32_t dtypes; /* US_DTYPES_* */
  uint32_t reserved;
  const us_param *const *params;
  uint64_t n_params;
  const us_vtbl *vtbl;
} us_term;

/* Lives as long as the process, unchanged. */
typedef struct us_plugin {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_min_minor; /* the lowest minor version of the host that the plugin can do with */
  us_str id; /* like a domain turned round: org.example.mean */
  us_str version;
  us_str vendor;
  us_str license; /* an SPDX expression */
  const us_term *const *terms;
  uint64_t n_terms;
} us_plugin;

/* The one exported symbol; its name holds the major version. Called when the plugin is loaded, on any thread, possibly more than
 * once; returns quickly, starts no thread, opens no file. Sets *plugin to a descriptor that agrees with the note.
 * Fails as it sees fit; the plugin is then not offered, and its message is shown to the operator. */
US_EXPORT us_status us_plugin_entry_v0(const us_host *host, const us_plugin **plugin, us_error *error);

/* ---- the note -------------------------------------------------------------------------------------------------------- */

/* The ELF section .note.unitscope holds one note: owner "Unitscope", type 1, and as description the text below, which the host
 * reads before it runs any of the plugin's code. abi is MAJOR.MIN_MINOR; panic is `unwind` where every function is guarded as
 * the rules above say (as in C, which cannot unwind), `abort` where a panic ends the process: the host refuses the latter. */
#define US_NOTE_SECTION ".note.unitscope"
#define US_NOTE_OWNER "Unitscope"
#define US_NOTE_TYPE 1u
#define US_NOTE_TEXT(id, version, terms) \
  "abi=0.0\nid=" id "\nversion=" version "\nterms=" terms "\npanic=unwind\n"

/* Once per plugin, at file scope; terms is a list of ids with commas: US_NOTE("org.example.mean", "1.0.0", "mean") */
#define US_NOTE(id, version, terms)                                                                            \
  static const struct {                                                                                        \
    uint32_t owner_size, text_size, type;                                                                      \
    char owner[12];                                                                                            \
    char text[sizeof(US_NOTE_TEXT(id, version, terms))];                                                       \
  } us_note_ __attribute__((section(US_NOTE_SECTION), used, aligned(4))) = {                                   \
      sizeof(US_NOTE_OWNER), sizeof(US_NOTE_TEXT(id, version, terms)), US_NOTE_TYPE, US_NOTE_OWNER,            \
      US_NOTE_TEXT(id, version, terms)}

/* ---- layout ---------------------------------------------------------------------------------------------------------- */

#if defined(__cplusplus)
#define US_STATIC_ASSERT(what, message) static_assert(what, message)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define US_STATIC_ASSERT(what, message) _Static_assert(what, message)
#else
#define US_JOIN_(a, b) a##b
#define US_JOIN(a, b) US_JOIN_(a, b)
#define US_STATIC_ASSERT(what, message) typedef char US_JOIN(us_static_assert_, __LINE__)[(what) ? 1 : -1]
#endif

US_STATIC_ASSERT(sizeof(void *) == 8, "64-bit only");
US_STATIC_ASSERT(sizeof(us_error) == 32, "us_error");
US_STATIC_ASSERT(sizeof(us_tensor) == 48 && offsetof(us_tensor, device) == 8, "us_tensor");
US_STATIC_ASSERT(offsetof(us_tensor, ndim) == 16 && offsetof(us_tensor, dtype) == 20, "us_tensor");
US_STATIC_ASSERT(offsetof(us_tensor, shape) == 24 && offsetof(us_tensor, strides) == 32, "us_tensor");
US_STATIC_ASSERT(offsetof(us_tensor, byte_offset) == 40, "us_tensor");
US_STATIC_ASSERT(sizeof(us_view) == 56 && offsetof(us_view, axis) == 48, "us_view");
US_STATIC_ASSERT(sizeof(us_value) == 24 && offsetof(us_value, v) == 8, "us_value");
US_STATIC_ASSERT(sizeof(us_param) == 120 && offsetof(us_param, def) == 64, "us_param");
US_STATIC_ASSERT(sizeof(us_host) == 56 && offsetof(us_host, log) == 48, "us_host");
US_STATIC_ASSERT(sizeof(us_step) == 48 && offsetof(us_step, cancelled) == 40, "us_step");
US_STATIC_ASSERT(sizeof(us_io) == 48 && offsetof(us_io, value) == 40, "us_io");
US_STATIC_ASSERT(sizeof(us_tap) == 24 && offsetof(us_tap, layer) == 8, "us_tap");
US_STATIC_ASSERT(sizeof(us_vtbl) == 72 && offsetof(us_vtbl, load) == 64, "us_vtbl");
US_STATIC_ASSERT(sizeof(us_term) == 112 && offsetof(us_term, vtbl) == 104, "us_term");
US_STATIC_ASSERT(sizeof(us_plugin) == 88 && offsetof(us_plugin, n_terms) == 80, "us_plugin");

#ifdef __cplusplus
}
#endif
#endif
