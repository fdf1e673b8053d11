/* The door between Python and the kernel: arrays in, times out. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdlib.h>

#include "kernel.h"

enum { INPUTS = 58 };

/* The arrays of SimulationInput in order: 'i' for int64, 'd' for double. */
static const char FORMATS[INPUTS + 1] =
    "iiiii" "ii" "iiii" "iiii" "iiii" "did"     /* the program */
    "ii" "dd" "iiiiii" "di" "iii"                   /* the decisions */
    "ii" "iii" "d" "iiii" "ddddi" "ii" "d" "dd" "i"; /* the machine */

struct arrays {
    Py_buffer buffers[INPUTS];
    int count;
};

static void release_arrays(struct arrays *arrays)
{
    while (arrays->count > 0)
        PyBuffer_Release(&arrays->buffers[--arrays->count]);
}

static int is_wanted(const Py_buffer *buffer, char wanted)
{
    const char *format = buffer->format ? buffer->format : "";
    if (buffer->itemsize != 8)
        return 0;
    return wanted == 'd' ? format[0] == 'd' : format[0] == 'l' || format[0] == 'q';
}

static int get_arrays(PyObject *tuple, struct arrays *arrays)
{
    arrays->count = 0;
    if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) != INPUTS) {
        PyErr_Format(PyExc_TypeError, "a tuple of %d arrays is needed", (int)INPUTS);
        return 0;
    }
    for (int i = 0; i < INPUTS; i++) {
        Py_buffer *buffer = &arrays->buffers[i];
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(tuple, i), buffer,
                               PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
            return 0;
        arrays->count++;
        if (!is_wanted(buffer, FORMATS[i])) {
            PyErr_Format(PyExc_TypeError, "array %d must be %s", i,
                         FORMATS[i] == 'd' ? "float64" : "int64");
            return 0;
        }
    }
    return 1;
}

static int64_t length(const struct arrays *arrays, int index)
{
    return (int64_t)(arrays->buffers[index].len / 8);
}

static void fill_input(const struct arrays *arrays, struct input *given)
{
    const void **pointer = (const void **)given;
    for (int i = 0; i < INPUTS; i++)
        pointer[i] = arrays->buffers[i].buf;
    given->launches = length(arrays, 1);
    given->points = length(arrays, 7);
    given->requirements = length(arrays, 11);
    given->occurrences = length(arrays, 13);
    given->slots = length(arrays, 19);
    given->atoms = length(arrays, 21);
    given->places = length(arrays, 31);
    given->queues = length(arrays, 35) - 1;
    given->processors = length(arrays, 37);
    given->memories = length(arrays, 39);
    given->ranks = length(arrays, 43);
    given->links = length(arrays, 49);
}

static PyObject *bytes_of(const void *data, int64_t count)
{
    return PyBytes_FromStringAndSize(data, (Py_ssize_t)(count * 8));
}

/* When the last timed, and the last untimed, task of each iteration ended; the setup is first. */
static int iteration_ends(const struct input *given, const struct graph *graph,
                          const struct schedule *schedule, double *timed, double *untimed)
{
    for (int64_t i = 0; i < graph->operations; i++) {
        if (graph->kind[i] != TASK)
            continue;
        int64_t at = graph->iteration[i] + 1;
        int64_t launch = given->point_launch[graph->point[i]];
        double *ends = given->launch_timed[launch] ? timed : untimed;
        ends[at] = fmax(ends[at], schedule->end[i]);
    }
    return 1;
}

static PyObject *trace_of(const struct input *given, const struct graph *graph,
                          const struct schedule *schedule)
{
    int64_t n = graph->operations, links = given->links;
    return Py_BuildValue(
        "(NNNNNNNNNNNNNNN)", bytes_of(graph->kind, n), bytes_of(graph->place, n),
        bytes_of(graph->source, n), bytes_of(graph->bytes, n), bytes_of(graph->seconds, n),
        bytes_of(graph->point, n), bytes_of(graph->iteration, n), bytes_of(graph->region, n),
        bytes_of(schedule->ready, n), bytes_of(schedule->start, n), bytes_of(schedule->end, n),
        bytes_of(schedule->cause, n), bytes_of(schedule->link_busy, links),
        bytes_of(schedule->link_bytes, links), Py_BuildValue("L", (long long)graph->edges));
}

static PyObject *simulate(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *tuple;
    int want_trace;
    struct arrays arrays;
    struct input given;
    if (!PyArg_ParseTuple(args, "Op", &tuple, &want_trace))
        return NULL;
    if (!get_arrays(tuple, &arrays)) {
        release_arrays(&arrays);
        return NULL;
    }
    fill_input(&arrays, &given);
    int64_t iterations = given.settings[ITERATIONS], failure[2] = {-1, -1};
    struct graph graph;
    struct schedule schedule = {0};
    double *peak = calloc((size_t)given.memories + 1, sizeof(double));
    double *ends = calloc((size_t)(2 * (iterations + 1)) + 1, sizeof(double));
    PyObject *result = NULL, *trace = NULL;
    enum status status = NO_HOST_MEMORY;
    if (peak != NULL && ends != NULL) {
        Py_BEGIN_ALLOW_THREADS
        status = plan(&given, &graph, failure, peak);
        if (status == PLANNED)
            status = execute(&given, &graph, &schedule);
        if (status == PLANNED)
            iteration_ends(&given, &graph, &schedule, ends, ends + iterations + 1);
        Py_END_ALLOW_THREADS
        if (status == NO_HOST_MEMORY) {
            PyErr_NoMemory();
        } else {
            trace = want_trace && status == PLANNED ? trace_of(&given, &graph, &schedule)
                                                    : Py_NewRef(Py_None);
            if (trace != NULL)
                result = Py_BuildValue("(iLLNNNN)", (int)status, (long long)failure[0],
                                       (long long)failure[1], bytes_of(peak, given.memories),
                                       bytes_of(ends, iterations + 1),
                                       bytes_of(ends + iterations + 1, iterations + 1), trace);
        }
        free_graph(&graph);
        free_schedule(&schedule);
    } else {
        PyErr_NoMemory();
    }
    free(peak);
    free(ends);
    release_arrays(&arrays);
    return result;
}

static PyMethodDef methods[] = {
    {"simulate", simulate, METH_VARARGS,
     "simulate(arrays, trace) -> (status, requirement, slot, peak, timed, untimed, trace)"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
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
