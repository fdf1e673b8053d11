/* The door between Python and the kernel: arrays in, times out. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inputs.h"

/* Arrays in. */

struct buffers {
    Py_buffer buffers[INPUTS];
    int count;
};

static void release_buffers(struct buffers *buffers)
{
    while (buffers->count > 0)
        PyBuffer_Release(&buffers->buffers[--buffers->count]);
}

static int is_wanted(const Py_buffer *buffer, const struct input_rule *rule)
{
    const char *format = buffer->format ? buffer->format : "";
    if (buffer->itemsize != 8)
        return 0;
    return rule->type == FLOATS ? format[0] == 'd' : format[0] == 'l' || format[0] == 'q';
}

static int get_array(PyObject *dict, int number, struct buffers *buffers, struct array *array)
{
    const struct input_rule *rule = &INPUT_RULES[number];
    PyObject *object = PyDict_GetItemString(dict, rule->name); /* borrowed */
    if (object == NULL) {
        PyErr_Format(PyExc_TypeError, "the array %s is missing", rule->name);
        return 0;
    }
    Py_buffer *buffer = &buffers->buffers[buffers->count];
    if (PyObject_GetBuffer(object, buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return 0;
    buffers->count++;
    if (!is_wanted(buffer, rule)) {
        PyErr_Format(PyExc_TypeError, "the array %s must be %s", rule->name,
                     rule->type == FLOATS ? "float64" : "int64");
        return 0;
    }
    *array = (struct array){buffer->buf, (int64_t)(buffer->len / 8)};
    return 1;
}

/* The arrays of some owners: a dictionary of these and no others. On failure the caller releases
 * what was taken so far. */
static int get_arrays(PyObject *dict, enum owner first, enum owner last, struct buffers *buffers,
                      struct array arrays[INPUTS])
{
    if (!PyDict_Check(dict)) {
        PyErr_SetString(PyExc_TypeError, "a dictionary of arrays is needed");
        return 0;
    }
    for (int i = 0; i < INPUTS; i++)
        if (INPUT_RULES[i].owner >= first && INPUT_RULES[i].owner <= last &&
            !get_array(dict, i, buffers, &arrays[i]))
            return 0;
    if (PyDict_GET_SIZE(dict) != buffers->count) {
        PyErr_Format(PyExc_TypeError, "there are %zd arrays where %d are known",
                     PyDict_GET_SIZE(dict), buffers->count);
        return 0;
    }
    return 1;
}

/* The memory of a run, which the next one uses again: the system takes long to give it anew. */
struct workspace {
    struct derived derived;
    struct graph graph;
    struct lists lists;
    struct schedule schedule;
};

/* What is the same for all runs: a copy of the arrays, so that nobody changes what was checked. */
struct prepared {
    struct array arrays[INPUTS];
    struct input input;
    struct workspace workspace; /* of the last run, while no other uses it */
    char data[];
};

static const char PREPARED[] = "legion_bridge._kernel.Prepared";

static void free_workspace(struct workspace *workspace)
{
    free(workspace->derived.room);
    free_graph(&workspace->graph);
    free_lists(&workspace->lists);
    free_schedule(&workspace->schedule);
}

static void free_prepared(PyObject *capsule)
{
    struct prepared *prepared = PyCapsule_GetPointer(capsule, PREPARED);
    free_workspace(&prepared->workspace);
    free(prepared);
}

static struct prepared *copy_arrays(const struct array arrays[INPUTS])
{
    size_t total = 0;
    for (int i = 0; i < INPUTS; i++)
        total += 8 * (size_t)arrays[i].length;
    struct prepared *prepared = calloc(1, sizeof *prepared + total);
    if (prepared == NULL)
        return NULL;
    char *data = prepared->data;
    for (int i = 0; i < INPUTS; i++) {
        size_t bytes = 8 * (size_t)arrays[i].length;
        if (bytes > 0)
            memcpy(data, arrays[i].data, bytes);
        prepared->arrays[i] = (struct array){data, arrays[i].length};
        data += bytes;
    }
    return prepared;
}

static PyObject *prepare(PyObject *self, PyObject *dict)
{
    (void)self;
    struct buffers buffers = {.count = 0};
    struct array arrays[INPUTS] = {{NULL, 0}};
    struct prepared *prepared = NULL;
    char complaint[COMPLAINT];
    PyObject *capsule = NULL;
    if (get_arrays(dict, PROGRAM, MACHINE, &buffers, arrays)) {
        prepared = copy_arrays(arrays);
        if (prepared == NULL)
            PyErr_NoMemory();
        else if (!check_prepared(prepared->arrays, &prepared->input, complaint))
            PyErr_SetString(PyExc_ValueError, complaint);
        else
            capsule = PyCapsule_New(prepared, PREPARED, free_prepared);
    }
    if (capsule == NULL)
        free(prepared);
    release_buffers(&buffers);
    return capsule;
}

/* Times out. */

static PyObject *floats_of(const double *data, int64_t count)
{
    PyObject *found = PyTuple_New((Py_ssize_t)count);
    for (int64_t i = 0; found != NULL && i < count; i++) {
        PyObject *number = PyFloat_FromDouble(data[i]);
        if (number == NULL)
            Py_CLEAR(found);
        else
            PyTuple_SET_ITEM(found, i, number);
    }
    return found;
}

/* When the last timed, and the last untimed, task of each iteration ended; the setup is first. It
 * ends at the latest when the first task of the loop begins: what goes on then is no setup. */
static void iteration_ends(const struct input *in, const struct graph *graph,
                           const struct schedule *schedule, double *timed, double *untimed)
{
    double loop = INFINITY;
    for (int64_t i = 0; i < graph->operations; i++) {
        const struct operation *of = &graph->operation[i];
        if (of->kind != TASK)
            continue;
        double *ends = in->launch_timed[in->point_launch[of->point]] ? timed : untimed;
        ends[of->iteration + 1] = larger(ends[of->iteration + 1], schedule->timing[i].end);
        if (of->iteration >= 0)
            loop = smaller(loop, schedule->timing[i].start);
    }
    timed[0] = smaller(timed[0], loop);
    untimed[0] = smaller(untimed[0], loop);
}

static PyObject *rows_of(const void *data, int64_t count, size_t size)
{
    return PyBytes_FromStringAndSize(data, (Py_ssize_t)((size_t)count * size));
}

static PyObject *trace_of(const struct input *in, const struct graph *graph,
                          const struct schedule *schedule)
{
    int64_t n = graph->operations, links = in->links;
    return Py_BuildValue(
        "{sNsNsNsNsNsL}", "operations", rows_of(graph->operation, n, sizeof *graph->operation),
        "times", rows_of(schedule->timing, n, sizeof *schedule->timing), "link_busy",
        rows_of(schedule->link_busy, links, sizeof(double)), "link_bytes",
        rows_of(schedule->link_bytes, links, sizeof(double)), "waits",
        rows_of(schedule->wait, schedule->wait_count, sizeof *schedule->wait), "edges",
        (long long)graph->edges);
}

/* What came of a run. */
struct result {
    enum status status;
    int64_t failure[2]; /* requirement and slot */
    int in_turn, traced;
    struct workspace workspace;
    struct state *plan; /* NULL where none was begun */
    double *peak, *timed, *untimed;
};

static void plan_and_execute(const struct input *in, struct result *result)
{
    struct graph *graph = &result->workspace.graph;
    if (result->plan == NULL)
        result->plan = open_plan(in, result->in_turn, graph, &result->workspace.lists, result->peak);
    result->status =
        result->plan == NULL ? NO_HOST_MEMORY : plan(result->plan, result->failure);
    if (result->status == PLANNED)
        result->status = execute(in, graph, &result->workspace.schedule, result->traced);
}

static void drop_plan(const struct input *in, struct result *result, int in_turn)
{
    if (result->plan != NULL)
        close_plan(result->plan);
    result->plan = NULL;
    result->in_turn = in_turn;
    memset(result->peak, 0, (size_t)in->memories * sizeof(double));
}

/* Nested launches are planned one after the other, each for all points of its parent. Under a limit
 * points may then wait for what was planned before them and comes behind them in the queue, as none
 * does in Legion, which maps each when its turn comes. Where that makes a cycle they are planned
 * anew in an order in which each waits for those before it alone. */
static void run(const struct input *in, struct result *result)
{
    plan_and_execute(in, result);
    if (result->status == CYCLE && in->derived.queues > 0) {
        drop_plan(in, result, 1);
        plan_and_execute(in, result);
    }
    if (result->status == PLANNED)
        iteration_ends(in, &result->workspace.graph, &result->workspace.schedule, result->timed,
                       result->untimed);
}

/* A plan can go on where the run left it as it was: where no task was sent to another processor, and
 * where it is not certain that a longer run needs another order, too. */
static int can_go_on(const struct input *in, const struct result *result)
{
    for (int64_t i = 0; i < in->points; i++)
        if (in->unpinned[i])
            return 0;
    return !result->in_turn;
}

static PyObject *result_of(const struct input *in, const struct result *result, int want_trace)
{
    int64_t ends = in->window.iterations + 1;
    const struct schedule *schedule = &result->workspace.schedule;
    if (result->status == NO_HOST_MEMORY)
        return PyErr_NoMemory();
    PyObject *trace = want_trace && result->status == PLANNED
                          ? trace_of(in, &result->workspace.graph, schedule)
                          : Py_NewRef(Py_None);
    return Py_BuildValue("(iLLiNNNdN)", (int)result->status, (long long)result->failure[0],
                         (long long)result->failure[1], result->in_turn,
                         rows_of(result->peak, in->memories, sizeof(double)), floats_of(result->timed, ends),
                         floats_of(result->untimed, ends), schedule->busiest, trace);
}

static int check_window(const struct window *window)
{
    if (window->first >= 0 && window->first < window->end && window->end <= window->iterations &&
        window->iterations <= MOST_ITERATIONS)
        return 1;
    PyErr_SetString(PyExc_ValueError, "the window must lie within the iterations, which are at most "
                                      "1048576");
    return 0;
}

/* Room for the ends of as many iterations as there are by now. */
static int open_ends(const struct input *in, struct result *result)
{
    size_t ends = (size_t)in->window.iterations + 1;
    free(result->timed);
    free(result->untimed);
    result->timed = calloc(ends, sizeof(double));
    result->untimed = calloc(ends, sizeof(double));
    return result->timed != NULL && result->untimed != NULL;
}

/* Asks whether there shall be more iterations; -1 with an exception. */
static int ask_for_more(struct input *in, const struct result *result, PyObject *more)
{
    if (more == Py_None || result->status != PLANNED)
        return 0;
    PyObject *answer = PyObject_CallFunction(
        more, "Ndd", floats_of(result->timed, in->window.iterations + 1),
        result->workspace.schedule.busiest, result->workspace.schedule.busiest_at_last);
    if (answer == NULL)
        return -1;
    long long first, end, iterations, before = in->window.iterations;
    int wanted = answer == Py_None ? 0 : -1;
    if (wanted && PyArg_ParseTuple(answer, "LLL", &first, &end, &iterations)) {
        in->window = (struct window){first, end, iterations};
        if (check_window(&in->window))
            wanted = 1;
        if (wanted == 1 && iterations < before) {
            PyErr_SetString(PyExc_ValueError, "a later window must not have fewer iterations");
            wanted = -1;
        }
    }
    Py_DECREF(answer);
    return wanted;
}

/* Runs window after window; 0 with an exception. */
static int run_windows(struct input *in, struct result *result, PyObject *more)
{
    for (;;) {
        if (!open_ends(in, result)) {
            PyErr_NoMemory();
            return 0;
        }
        Py_BEGIN_ALLOW_THREADS
        run(in, result);
        Py_END_ALLOW_THREADS
        int wanted = ask_for_more(in, result, more);
        if (wanted <= 0)
            return wanted == 0;
        if (!can_go_on(in, result))
            drop_plan(in, result, 0);
    }
}

static PyObject *run_input(struct prepared *prepared, struct input *in, int want_trace,
                           PyObject *more)
{
    static const struct workspace EMPTY;
    struct result result = {
        .failure = {-1, -1}, .traced = want_trace, .workspace = prepared->workspace};
    PyObject *found = NULL;
    prepared->workspace = EMPTY;
    in->derived = result.workspace.derived;
    int derived = derive(in);
    result.workspace.derived = in->derived;
    result.peak = calloc((size_t)in->memories + 1, sizeof(double));
    if (!derived || result.peak == NULL)
        PyErr_NoMemory();
    else if (run_windows(in, &result, more))
        found = result_of(in, &result, want_trace);
    if (result.plan != NULL)
        close_plan(result.plan);
    if (prepared->workspace.graph.operation == NULL)
        prepared->workspace = result.workspace;
    else
        free_workspace(&result.workspace);
    free(result.peak);
    free(result.timed);
    free(result.untimed);
    return found;
}

static PyObject *simulate(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *capsule, *dict, *more = Py_None, *found = NULL;
    long long first, end, iterations;
    int want_trace;
    if (!PyArg_ParseTuple(args, "OO(LLL)p|O", &capsule, &dict, &first, &end, &iterations,
                          &want_trace, &more))
        return NULL;
    if (!PyCapsule_IsValid(capsule, PREPARED)) {
        PyErr_SetString(PyExc_TypeError, "simulate needs what prepare has given");
        return NULL;
    }
    struct prepared *prepared = PyCapsule_GetPointer(capsule, PREPARED);
    struct buffers buffers = {.count = 0};
    struct array arrays[INPUTS];
    struct input in = prepared->input;
    char complaint[COMPLAINT];
    memcpy(arrays, prepared->arrays, sizeof arrays);
    if (get_arrays(dict, DECISIONS, DECISIONS, &buffers, arrays)) {
        in.window = (struct window){first, end, iterations};
        if (!check_decisions(arrays, &in, complaint))
            PyErr_SetString(PyExc_ValueError, complaint);
        else if (check_window(&in.window))
            found = run_input(prepared, &in, want_trace, more);
    }
    release_buffers(&buffers);
    return found;
}

/* The module. */

static PyObject *names_of(const char *const *names, int count)
{
    PyObject *found = PyTuple_New(count);
    for (int i = 0; found != NULL && i < count; i++) {
        PyObject *name = PyUnicode_FromString(names[i]);
        if (name == NULL)
            Py_CLEAR(found);
        else
            PyTuple_SET_ITEM(found, i, name);
    }
    return found;
}

static PyObject *inputs(void)
{
    static const char *const OWNERS[] = {"program", "machine", "decisions"};
    PyObject *found = PyTuple_New(INPUTS);
    for (int i = 0; found != NULL && i < INPUTS; i++) {
        const struct input_rule *rule = &INPUT_RULES[i];
        PyObject *each = Py_BuildValue("(sss)", rule->name, OWNERS[rule->owner],
                                       rule->type == FLOATS ? "float64" : "int64");
        if (each == NULL)
            Py_CLEAR(found);
        else
            PyTuple_SET_ITEM(found, i, each);
    }
    return found;
}

static int add_constant(PyObject *module, const char *name, PyObject *value)
{
    int failed = value == NULL ? -1 : PyModule_AddObjectRef(module, name, value);
    Py_XDECREF(value);
    return failed;
}

static int add_constants(PyObject *module)
{
    if (add_constant(module, "INPUTS", inputs()) < 0 ||
        add_constant(module, "COSTS", names_of(COST_NAMES, COSTS)) < 0)
        return -1;
    return add_constant(module, "SETTINGS", names_of(SETTING_NAMES, SETTINGS));
}

static PyMethodDef methods[] = {
    {"prepare", prepare, METH_O,
     "prepare(arrays) -> what simulate needs of a program and a machine"},
    {"simulate", simulate, METH_VARARGS,
     "simulate(prepared, decisions, (first, end, iterations), trace, more=None) -> "
     "(status, requirement, slot, in_turn, peak, timed, untimed, busiest, trace); "
     "more(timed, busiest, busiest_at_last) gives the next window, or None"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_constants},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "The simulator's kernel.", 0, methods, slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&definition);
}
