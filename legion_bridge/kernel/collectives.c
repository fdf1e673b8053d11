/* Collective operations of a runtime that has them, in the place of folds and of copies for each reader.
 *
 * Points of one launch that need the same data get it together. Where partial sums wait for them, these
 * are added up on the way: a reduction, a reduce-scatter or an all-reduce, by who reads what. Else it is
 * a broadcast or an all-gather, by who has what. Each processor that takes part has one operation, which
 * moves the processor's share over its own links: inside its node, and over the network.
 *
 * What a ring or a tree moves, and how many steps it takes: Patarasuk and Yuan, Bandwidth optimal
 * all-reduce algorithms (2009), and Thakur, Rabenseifner and Gropp, Optimization of collective
 * communication operations in MPICH (2005). Which of them is taken follows NCCL's tuning model.
 */
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether a memory belongs to a processor that can take part. */
static int can_take_part(const struct input *in, int64_t memory)
{
    return memory >= 0 && in->memory_owner[memory] >= 0;
}

/* Whether all replicas have an atom in common, where one of them stands for all. */
static int is_common(const struct input *in, int64_t atom)
{
    return in->twins > 0 && in->atom_common[atom];
}

/* A number by which sets of memories are told apart: sums of such have all their bits mixed. */
static uint64_t mark_of(int64_t number)
{
    uint64_t mark = (uint64_t)number + 0x9E3779B97F4A7C15u;
    mark = (mark ^ (mark >> 30)) * 0xBF58476D1CE4E5B9u;
    mark = (mark ^ (mark >> 27)) * 0x94D049BB133111EBu;
    return mark ^ (mark >> 31);
}

static void *room_for(void *array, size_t size, int64_t count, int64_t *capacity, int *failed)
{
    if (count < *capacity || *failed)
        return array;
    int64_t wanted = *capacity ? 2 * *capacity : 256;
    array = grown(array, size, wanted, failed);
    if (!*failed)
        *capacity = wanted;
    return array;
}

static void add_want(struct gathering *of, struct want want, int *failed)
{
    of->want = room_for(of->want, sizeof want, of->wants, &of->want_capacity, failed);
    if (!*failed)
        of->want[of->wants++] = want;
}

/* Whether a memory has the newest value of an atom: where a requirement would look for it, or elsewhere,
 * so that a copy inside the memory will do. */
static int has_atom(const struct state *state, int64_t memory, int64_t instance, int64_t slot,
                    int64_t position)
{
    if (instance >= 0 && state->entries[entry_of(state, instance, slot, position)].valid)
        return 1;
    int64_t entry = state->atom_holder[state->in->slot_atom_values[position]];
    while (entry >= 0 && memory_of(state, entry) != memory)
        entry = state->entries[entry].next_holder;
    return entry >= 0;
}

static void add_wants_of(struct state *state, int64_t requirement, int32_t column)
{
    const struct input *in = state->in;
    int64_t site = in->derived.site[requirement];
    int64_t memory = site < 0 ? -1 : in->derived.site_memory[site];
    int64_t privilege = in->privilege[requirement];
    if ((privilege != READ_ONLY && privilege != READ_WRITE) || !can_take_part(in, memory))
        return;
    for (int64_t i = in->slot_start[requirement]; i < in->slot_start[requirement + 1]; i++) {
        int64_t slot = in->slot_values[i];
        int64_t instance = find(state, site, slot, in->extent[requirement] == EXACT);
        for (int64_t at = in->slot_atom_start[slot]; at < in->slot_atom_start[slot + 1]; at++) {
            char needs = !has_atom(state, memory, instance, slot, at);
            struct want want = {(int32_t)in->slot_atom_values[at], (int32_t)memory, column, needs,
                                privilege == READ_WRITE, 0};
            add_want(&state->gathering, want, &state->graph->failed);
        }
    }
}

static int compare_wants(const void *a, const void *b)
{
    const struct want *one = a, *other = b;
    if (one->atom != other->atom)
        return one->atom < other->atom ? -1 : 1;
    if (one->memory != other->memory)
        return one->memory < other->memory ? -1 : 1;
    return one->column < other->column ? -1 : one->column > other->column;
}

/* One want of each memory for an atom: what one of its points is given the others have, too. */
static void merge_wants(struct gathering *of)
{
    if (of->wants > 1)
        qsort(of->want, (size_t)of->wants, sizeof *of->want, compare_wants);
    int64_t kept = 0;
    for (int64_t i = 0; i < of->wants; i++) {
        struct want *last = kept ? &of->want[kept - 1] : NULL;
        if (last != NULL && last->atom == of->want[i].atom && last->memory == of->want[i].memory) {
            last->needs &= of->want[i].needs;
            last->writes |= of->want[i].writes;
            continue;
        }
        of->want[kept++] = of->want[i];
    }
    of->wants = kept;
}

/* The valid entry that an atom is sent from, or whose value sums are added to: one on a node of its
 * readers if there is any, else the oldest; -1 where there is none. */
static int64_t holder_of(const struct state *state, const struct want *want, int64_t count,
                         int64_t atom)
{
    const struct input *in = state->in;
    int64_t found = -1, near = -1;
    for (int64_t i = state->atom_holder[atom]; i >= 0; i = state->entries[i].next_holder) {
        int64_t rank = in->memory_rank[memory_of(state, i)];
        found = i;
        for (int64_t r = 0; r < count; r++)
            if (in->rank_node[in->memory_rank[want[r].memory]] == in->rank_node[rank]) {
                near = i;
                break;
            }
    }
    return near >= 0 ? near : found;
}

/* The mark under which the sums of an atom, or its readers, are put together with those of others: what
 * the same launch has reduced in the same memories, and what the same memories read. It is 0 where an
 * atom is folded and copied as ever. */
static uint64_t key_of(const struct state *state, const struct want *want, int64_t count)
{
    const struct input *in = state->in;
    int64_t atom = want->atom, needed = 0, kind = in->memory_kind[want->memory];
    uint64_t readers = 0, sums = 0;
    for (int64_t i = 0; i < count; i++) {
        /* Where boxes with holes overlap, several may write. */
        if (in->memory_kind[want[i].memory] != kind || (want[i].writes && count > 1))
            return 0;
        readers += mark_of(want[i].memory);
        needed += want[i].needs;
    }
    int common = is_common(in, atom);
    int64_t launch = -1, first = -1, elsewhere = count > 1 || common;
    for (int64_t node = state->atom_pending[atom]; node >= 0; node = state->pending_next[node]) {
        const struct reduction *reduction = &state->reductions[state->pending_occurrence[node]];
        if (reduction->last >= state->first_of_launch)
            return 0; /* it is reduced to by this launch, too */
        if (!can_take_part(in, reduction->memory) || in->memory_kind[reduction->memory] != kind)
            return 0;
        int64_t by = in->point_launch[state->graph->operation[reduction->operation].point];
        launch = by > launch ? by : launch;
        elsewhere |= first >= 0 && reduction->memory != first;
        first = reduction->memory;
        sums += mark_of(first);
    }
    if (first < 0 && (needed < 2 || common))
        return 0; /* a copy from one to the other is no collective */
    if (first >= 0 && !elsewhere)
        return 0; /* all sums are in one memory, and one reads them */
    int64_t holder = holder_of(state, want, count, atom);
    if (holder >= 0) {
        int64_t memory = memory_of(state, holder);
        if (!can_take_part(in, memory) || in->memory_kind[memory] != kind)
            return 0;
    } else if (first < 0) {
        return 0; /* nobody has written it */
    }
    uint64_t key = first < 0 ? mark_of(-2) ^ readers : mark_of(launch) ^ sums;
    key ^= mark_of(-16 - (int64_t)want->column);
    return key ? key : 1;
}

/* Whether readers need what all replicas have in common: each of these gets the same then, or it is not
 * known what they get. */
static int must_be_shared(const struct state *state, const struct want *want, int64_t count)
{
    if (!is_common(state->in, want->atom))
        return 0;
    int needed = state->atom_pending[want->atom] >= 0;
    for (int64_t i = 0; i < count; i++)
        needed |= want[i].needs && state->atom_holder[want->atom] >= 0;
    return needed;
}

static int compare_portions(const void *a, const void *b)
{
    const struct portion *one = a, *other = b;
    if (one->key != other->key)
        return one->key < other->key ? -1 : 1;
    return one->first < other->first ? -1 : 1;
}

/* Finds what the points of a launch, which are to be planned now, are to be given together. */
void gather(struct state *state, int64_t first_point, int64_t end_point)
{
    const struct input *in = state->in;
    struct gathering *of = &state->gathering;
    int *failed = &state->graph->failed;
    of->wants = of->portions = of->groups = of->participants = 0;
    for (int64_t p = first_point; p < end_point && !*failed; p++)
        for (int64_t r = in->point_requirement[p]; r < in->point_requirement[p + 1]; r++)
            add_wants_of(state, r, (int32_t)(r - in->point_requirement[p]));
    if (*failed)
        return;
    merge_wants(of);
    for (int64_t i = 0, next; i < of->wants; i = next) {
        for (next = i + 1; next < of->wants && of->want[next].atom == of->want[i].atom;)
            next++;
        uint64_t key = key_of(state, &of->want[i], next - i);
        if (!key && must_be_shared(state, &of->want[i], next - i))
            state->not_alike = 1;
        of->portion =
            room_for(of->portion, sizeof *of->portion, of->portions, &of->portion_capacity, failed);
        if (*failed)
            return;
        if (key)
            of->portion[of->portions++] = (struct portion){key, i, next, -1};
    }
    if (of->portions > 1)
        qsort(of->portion, (size_t)of->portions, sizeof *of->portion, compare_portions);
    for (int64_t i = 0; i < of->portions; i++) {
        of->group =
            room_for(of->group, sizeof *of->group, of->groups, &of->group_capacity, failed);
        if (*failed)
            return;
        if (i == 0 || of->portion[i].key != of->portion[i - 1].key)
            of->group[of->groups++] = (struct group){.first = i, .start = -1, .sent = -1};
        struct group *group = &of->group[of->groups - 1];
        int64_t atom = of->want[of->portion[i].first].atom;
        group->end = i + 1;
        group->summed = state->atom_pending[atom] >= 0;
        of->portion[i].group = (int32_t)(of->groups - 1);
        state->atom_portion[atom] = (int32_t)i;
    }
}

/* Forgets it, once all points are planned: the room of sums that were added up comes free, and what
 * changes a value that was given waits for all who get it. No point of the launch itself does: some of
 * those may be mapped only when it has ended. */
void scatter(struct state *state)
{
    struct gathering *of = &state->gathering;
    for (int64_t i = 0; i < of->portions; i++)
        state->atom_portion[of->want[of->portion[i].first].atom] = -1;
    for (int64_t i = 0; i < of->gifts; i++) {
        read_by(state, of->given[i].entry, of->given[i].done);
        state->instances[state->entries[of->given[i].entry].instance].given = 0;
    }
    for (int64_t i = 0; i < of->spent; i++)
        free_after(state, of->freed[i].memory, of->freed[i].bytes, of->freed[i].operation);
    of->spent = of->gifts = of->portions = of->groups = 0;
}

/* An entry is given to all that take part in a group. Its instance is not deleted before the launch is
 * planned. */
static void give(struct state *state, const struct group *group, int64_t entry)
{
    struct gathering *of = &state->gathering;
    int *failed = &state->graph->failed;
    of->given = room_for(of->given, sizeof *of->given, of->gifts, &of->given_capacity, failed);
    if (*failed)
        return;
    of->given[of->gifts++] = (struct given){entry, group->done};
    state->instances[state->entries[entry].instance].given = 1;
}

/* The room of a reduction instance comes free after an operation, once the launch is planned. */
void free_later(struct state *state, int64_t memory, double bytes, int64_t operation)
{
    struct gathering *of = &state->gathering;
    int *failed = &state->graph->failed;
    of->freed = room_for(of->freed, sizeof *of->freed, of->spent, &of->freed_capacity, failed);
    if (!*failed)
        of->freed[of->spent++] = (struct freed){-1, operation, memory, bytes};
}

/* Who takes part. They are in the order of their nodes, then of their memories, once all are there. */

static void add_participant(struct state *state, struct group *group, int64_t memory, char elsewhere)
{
    struct gathering *of = &state->gathering;
    int *failed = &state->graph->failed;
    of->participant = room_for(of->participant, sizeof *of->participant, of->participants,
                               &of->participant_capacity, failed);
    if (*failed)
        return;
    int64_t node = state->in->rank_node[state->in->memory_rank[memory]];
    of->participant[of->participants++] = (struct participant){.node = (int32_t)node,
                                                               .memory = (int32_t)memory,
                                                               .elsewhere = elsewhere,
                                                               .operation = -1};
    group->participants = of->participants - group->first_participant;
}

/* A memory, and those of other replicas that are like it where these have the atom in common. */
static void enlist_alike(struct state *state, struct group *group, int64_t atom, int64_t memory)
{
    const struct input *in = state->in;
    add_participant(state, group, memory, 0);
    if (!is_common(in, atom))
        return;
    for (int64_t i = in->twin_start[memory]; i < in->twin_start[memory + 1]; i++)
        add_participant(state, group, in->twin_values[i], 1);
}

static int compare_participants(const void *a, const void *b)
{
    const struct participant *one = a, *other = b;
    if (one->node != other->node)
        return one->node < other->node ? -1 : 1;
    if (one->memory != other->memory)
        return one->memory < other->memory ? -1 : 1;
    return one->elsewhere - other->elsewhere; /* of two that are the same the first is kept */
}

static struct participant *participant_of(const struct state *state, const struct group *group,
                                          int64_t memory)
{
    struct participant *all = &state->gathering.participant[group->first_participant];
    struct participant wanted = {.memory = (int32_t)memory,
                                 .node = (int32_t)state->in->rank_node[state->in->memory_rank[memory]]};
    int64_t low = 0, high = group->participants;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (compare_participants(&all[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < group->participants && all[low].memory == memory ? &all[low] : NULL;
}

/* All memories that sums of a portion, or its value, lie in, and that read it. */
static void enlist(struct state *state, struct group *group, const struct portion *portion)
{
    const struct gathering *of = &state->gathering;
    int64_t atom = of->want[portion->first].atom;
    for (int64_t i = portion->first; i < portion->end; i++)
        enlist_alike(state, group, atom, of->want[i].memory);
    for (int64_t node = state->atom_pending[atom]; node >= 0; node = state->pending_next[node])
        enlist_alike(state, group, atom,
                     state->reductions[state->pending_occurrence[node]].memory);
    int64_t holder =
        holder_of(state, &of->want[portion->first], portion->end - portion->first, atom);
    if (holder >= 0)
        enlist_alike(state, group, atom, memory_of(state, holder));
}

/* Once each, in order. */
static void enlist_all(struct state *state, struct group *group)
{
    struct gathering *of = &state->gathering;
    group->first_participant = of->participants;
    int64_t kept = 0;
    for (int64_t i = group->first; i < group->end && !state->graph->failed; i++) {
        enlist(state, group, &of->portion[i]);
        struct participant *all = &of->participant[group->first_participant];
        if (group->participants > 1)
            qsort(all, (size_t)group->participants, sizeof *all, compare_participants);
        kept = 0;
        for (int64_t p = 0; p < group->participants; p++)
            if (kept == 0 || all[kept - 1].memory != all[p].memory)
                all[kept++] = all[p];
        group->participants = kept;
        of->participants = group->first_participant + kept;
    }
}

/* What it takes. */

/* Bytes that a group's participants have, and are to have, beside those of each. */
struct amounts {
    double sums, spread; /* partial sums in each of several memories; what several read of them */
    double all;          /* what was not reduced to */
    int64_t adding;      /* participants that have sums */
    int64_t nodes, reading_nodes;
};

static int64_t atom_of(const struct gathering *of, const struct portion *portion)
{
    return of->want[portion->first].atom;
}

static int64_t holder_for(const struct state *state, const struct portion *portion)
{
    const struct gathering *of = &state->gathering;
    return holder_of(state, &of->want[portion->first], portion->end - portion->first,
                     atom_of(of, portion));
}

/* The participant of a memory, and then those of other replicas that are like it; NULL after the last. */
static struct participant *alike(const struct state *state, const struct group *group, int64_t atom,
                                 int64_t memory, int64_t number)
{
    const struct input *in = state->in;
    if (number == 0)
        return participant_of(state, group, memory);
    int64_t twin = in->twin_start[memory] + number - 1;
    return is_common(in, atom) && twin < in->twin_start[memory + 1]
               ? participant_of(state, group, in->twin_values[twin])
               : NULL;
}

/* Who reads a portion, and who has it. */
static void count_portion(struct state *state, const struct group *group,
                          const struct portion *portion, struct amounts *amounts)
{
    const struct gathering *of = &state->gathering;
    int64_t atom = atom_of(of, portion), readers = portion->end - portion->first;
    if (is_common(state->in, atom))
        readers *= 1 + state->in->twin_start[of->want[portion->first].memory + 1] -
                   state->in->twin_start[of->want[portion->first].memory];
    double bytes = state->in->atom_bytes[atom];
    for (int64_t i = portion->first; i < portion->end; i++) {
        struct participant *reader;
        for (int64_t n = 0; (reader = alike(state, group, atom, of->want[i].memory, n)) != NULL; n++) {
            reader->reads = 1;
            if (!group->summed && of->want[i].needs)
                reader->needed += bytes;
            if (group->summed && readers == 1)
                reader->owned += bytes;
        }
    }
    for (int64_t node = state->atom_pending[atom]; node >= 0; node = state->pending_next[node]) {
        int64_t memory = state->reductions[state->pending_occurrence[node]].memory;
        struct participant *one;
        for (int64_t n = 0; (one = alike(state, group, atom, memory, n)) != NULL; n++)
            one->adds = 1;
    }
    if (group->summed) {
        amounts->sums += bytes;
        amounts->spread += readers > 1 ? bytes : 0.0;
        return;
    }
    participant_of(state, group, memory_of(state, holder_for(state, portion)))->held += bytes;
    amounts->all += bytes;
}

/* Participants on the node of one: they lie side by side. */
static int64_t count_on_node(const struct participant *all, int64_t count, int64_t first)
{
    int64_t end = first;
    while (end < count && all[end].node == all[first].node)
        end++;
    return end - first;
}

static int has_reader(const struct participant *all, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (all[i].reads)
            return 1;
    return 0;
}

/* Where a group's bytes are, and who needs them. The old value that sums are added to is added by its
 * holder, if that takes part, and else is one of the sums. */
static struct amounts amounts_of(struct state *state, const struct group *group)
{
    struct gathering *of = &state->gathering;
    struct participant *all = &of->participant[group->first_participant];
    struct amounts amounts = {0};
    for (int64_t i = group->first; i < group->end; i++)
        count_portion(state, group, &of->portion[i], &amounts);
    for (int64_t i = group->first; group->summed && i < group->end; i++) {
        int64_t holder = holder_for(state, &of->portion[i]), atom = atom_of(of, &of->portion[i]);
        int64_t memory = holder < 0 ? -1 : memory_of(state, holder);
        struct participant *one;
        for (int64_t n = 0; memory >= 0 && (one = alike(state, group, atom, memory, n)) != NULL; n++)
            if (!one->reads)
                one->adds = 1;
    }
    for (int64_t i = 0; i < group->participants; i++)
        amounts.adding += all[i].adds;
    for (int64_t i = 0; i < group->participants; i++)
        if (all[i].adds)
            all[i].owned += amounts.spread / (double)amounts.adding;
    for (int64_t first = 0, here; first < group->participants; first += here) {
        here = count_on_node(all, group->participants, first);
        amounts.nodes++;
        amounts.reading_nodes += has_reader(&all[first], here);
    }
    return amounts;
}

/* What goes round in the ring that adds up sums, at each participant: all but what is to be its own. */
static double passed_round(const struct participant *all, int64_t count,
                           const struct amounts *amounts)
{
    double least = INFINITY;
    for (int64_t i = 0; i < count; i++)
        least = smaller(least, all[i].owned);
    return amounts->adding > 1 ? amounts->sums - least : 0.0;
}

/* What the participants of one node move where a ring adds up sums, and one spreads what several read.
 * On the way into a node, its processors share the bytes; inside it, each gets from its neighbours what
 * it did not bring in. */
static void ring_on_node(struct participant *all, int64_t count, const struct amounts *amounts,
                         double passed)
{
    int reads = has_reader(all, count), far = amounts->nodes > 1;
    double share = far ? 1.0 / (double)count : 0.0, here = 0.0;
    double part = amounts->adding ? amounts->spread / (double)amounts->adding : 0.0;
    for (int64_t i = 0; i < count; i++)
        here += all[i].held + (all[i].adds ? part : 0.0);
    double comes = reads ? share * (amounts->all + amounts->spread - here) : 0.0;
    double goes = amounts->reading_nodes > reads ? share * here : 0.0;
    for (int64_t i = 0; i < count; i++) {
        struct participant *one = &all[i];
        double gets = one->reads ? one->needed + amounts->spread : 0.0;
        gets -= one->reads && one->adds ? part : 0.0;
        double brings = smaller(comes, gets);
        one->far = larger(brings, goes) + share * passed;
        one->near = (one->reads ? gets - brings : reads ? one->held : 0.0) + (1.0 - share) * passed;
    }
}

/* The same where a tree adds up all sums for all, and another spreads them. */
static void tree_on_node(struct participant *all, int64_t count, const struct amounts *amounts)
{
    double share = amounts->nodes > 1 ? 1.0 / (double)count : 0.0;
    for (int64_t i = 0; i < count; i++) {
        all[i].far = share * 2.0 * amounts->sums;
        all[i].near = (1.0 - share) * 2.0 * amounts->sums;
    }
}

/* Seconds that a participant's links need for what it moves, the slowest of them. */
static double seconds_on(const struct input *in, int64_t memory, int64_t where, double bytes)
{
    int64_t route = (in->memory_kind[memory] * MEMORY_KINDS + in->memory_kind[memory]) * WHERE_CODES;
    int64_t first = (route + where) * MOST_LINKS;
    double slowest = INFINITY;
    for (int64_t i = first; i < first + MOST_LINKS && in->route_scopes[i] >= 0; i++) {
        int64_t link = link_at(in, in->route_links[i], in->route_scopes[i], in->memory_rank[memory],
                               in->memory_owner[memory]);
        slowest = smaller(slowest, in->link_bandwidth[link]);
    }
    return bytes > 0.0 ? bytes / slowest : 0.0;
}

/* Leaves with the participants what each moves; returns the seconds that the slowest needs for it. */
static double share_out(struct state *state, const struct group *group,
                        const struct amounts *amounts, int tree)
{
    struct participant *all = &state->gathering.participant[group->first_participant];
    double longest = 0.0, passed = passed_round(all, group->participants, amounts);
    for (int64_t first = 0, here; first < group->participants; first += here) {
        here = count_on_node(all, group->participants, first);
        if (tree)
            tree_on_node(&all[first], here, amounts);
        else
            ring_on_node(&all[first], here, amounts, passed);
    }
    for (int64_t i = 0; i < group->participants; i++) {
        double near = seconds_on(state->in, all[i].memory, WHERE_RANK, all[i].near);
        double far = seconds_on(state->in, all[i].memory, WHERE_NETWORK, all[i].far);
        longest = larger(longest, larger(near, far));
    }
    return longest;
}

/* Seconds before the last byte beside those of the bytes. A ring takes as many steps as participants
 * but one, for each of its turns; a tree goes up and down, along the processors of a node and between
 * nodes by halves. */
static double latency_of(const struct input *in, int64_t algorithm, int64_t turns, int64_t count,
                         int64_t nodes)
{
    double hops = (double)(turns * (count - nodes)), far = (double)(turns * (nodes - 1));
    if (in->algorithm_tree[algorithm]) {
        hops = 2.0 * ((double)count / (double)nodes - 1.0);
        far = 2.0 * ceil(log2((double)nodes));
    }
    return in->algorithm_base[algorithm] + hops * in->algorithm_hop[algorithm] +
           far * in->algorithm_far_hop[algorithm];
}

/* Chooses the algorithm that is through soonest. */
static void choose(struct state *state, struct group *group)
{
    const struct input *in = state->in;
    struct amounts amounts = amounts_of(state, group);
    int64_t turns = (amounts.adding > 1) + (amounts.all + amounts.spread > 0.0);
    int for_all = amounts.adding > 1 && amounts.spread == amounts.sums;
    double tree = for_all ? share_out(state, group, &amounts, 1) : INFINITY;
    double ring = share_out(state, group, &amounts, 0), best = INFINITY;
    for (int64_t a = 0; a < in->algorithms; a++) {
        int is_tree = in->algorithm_tree[a] != 0;
        double latency = latency_of(in, a, turns, group->participants, amounts.nodes);
        double seconds = latency + (is_tree ? tree : ring) / in->algorithm_share[a];
        if (seconds < best) {
            best = seconds;
            group->algorithm = a;
            group->latency = latency;
        }
    }
    if (in->algorithm_tree[group->algorithm])
        share_out(state, group, &amounts, 1);
}

/* The operations. */

/* All waits for the sums of a portion and for the value that they are added to, or that is spread. These
 * are in use until all that take part are done: a processor whose links are busy takes its share later
 * than others. What was summed is nowhere until its readers have it. */
static void begin_portion(struct state *state, const struct group *group,
                          const struct portion *portion)
{
    struct graph *graph = state->graph;
    int64_t atom = atom_of(&state->gathering, portion), holder = holder_for(state, portion);
    if (holder >= 0) {
        const struct participant *one = participant_of(state, group, memory_of(state, holder));
        edge(graph, state->entries[holder].writer, group->start);
        read_by(state, holder, one->operation);
        give(state, group, holder);
    }
    if (group->summed)
        invalidate(state, atom);
    for (int64_t node; (node = take_due(state, atom)) >= 0;) {
        const struct reduction *reduction = &state->reductions[state->pending_occurrence[node]];
        edge(graph, reduction->operation, group->start);
        spend(state, node, group->done, 1);
    }
}

/* Each participant's operation waits for all sums and values. What one that only gives does, all
 * readers wait for. */
static void begin_group(struct state *state, struct group *group, int64_t region, int64_t analysis)
{
    struct gathering *of = &state->gathering;
    struct graph *graph = state->graph;
    enlist_all(state, group);
    if (graph->failed)
        return;
    choose(state, group);
    int64_t point = graph->operation[analysis].point, iteration = graph->operation[analysis].iteration;
    group->start = new_operation(graph, JOIN, 0, 0.0, point, iteration);
    group->done = new_operation(graph, JOIN, 0, 0.0, point, iteration);
    for (int64_t i = 0; i < group->participants; i++) {
        struct participant *one = &of->participant[group->first_participant + i];
        if (one->elsewhere)
            continue;
        int64_t number =
            new_operation(graph, COLLECTIVE, one->memory, group->latency, point, iteration);
        if (graph->failed)
            return;
        struct operation *operation = &graph->operation[number];
        operation->source = one->memory;
        operation->region = (int32_t)region;
        operation->bytes = one->near;
        operation->load = one->far;
        operation->lock = (int32_t)group->algorithm;
        one->operation = (int32_t)number;
        edge(graph, group->start, number);
        edge(graph, number, group->done);
        if (one->reads)
            continue;
        if (group->sent < 0)
            group->sent = new_operation(graph, JOIN, 0, 0.0, point, iteration);
        edge(graph, number, group->sent);
    }
    for (int64_t i = group->first; i < group->end; i++)
        begin_portion(state, group, &of->portion[i]);
}

/* The want of a memory among those for one atom, which are in ascending order of their memories. */
static struct want *want_of(const struct gathering *of, const struct portion *portion, int64_t memory)
{
    int64_t low = portion->first, high = portion->end;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (of->want[middle].memory < memory)
            low = middle + 1;
        else
            high = middle;
    }
    return low < portion->end && of->want[low].memory == memory ? &of->want[low] : NULL;
}

/* A reader takes part: its operation waits for its analysis and its room. What ends that is the writer
 * of all that it gets. */
static int64_t join_group(struct state *state, struct group *group, struct participant *one,
                          int64_t analysis)
{
    const struct input *in = state->in;
    struct graph *graph = state->graph;
    if (!one->joined) {
        int64_t kinds = in->memory_kind[one->memory] * (MEMORY_KINDS + 1);
        graph->operation[analysis].seconds +=
            state->factor * in->route_analysis[kinds * WHERE_CODES + WHERE_RANK];
        edge(graph, analysis, one->operation);
        one->joined = 1;
        one->delivered = one->operation;
        if (group->sent >= 0)
            one->delivered = (int32_t)join_after(graph, one->operation, one->operation, group->sent);
    }
    const struct listed *pending = state->lists->allocation.listed;
    for (int64_t i = state->allocation_head; i >= 0; i = pending[i].next)
        edge(graph, pending[i].operation, one->operation);
    return one->delivered;
}

/* Gives an atom to an entry by the collective operation of its launch; 0 where there is none, or where
 * the memory has it already. */
int take_part(struct state *state, int64_t atom, int64_t number, int64_t task, int64_t analysis)
{
    struct gathering *of = &state->gathering;
    if (state->atom_portion[atom] < 0)
        return 0;
    const struct portion *portion = &of->portion[state->atom_portion[atom]];
    struct group *group = &of->group[portion->group];
    struct entry *entry = &state->entries[number];
    struct want *want = want_of(of, portion, memory_of(state, number));
    if (want == NULL || want->served)
        return 0;
    if (group->start < 0)
        begin_group(state, group, region_of(state, number), analysis);
    if (state->graph->failed)
        return 0;
    want->served = 1;
    if (!group->summed && (entry->valid || !want->needs || entry->lost_to == task))
        return 0;
    struct participant *one = participant_of(state, group, want->memory);
    int64_t delivered = join_group(state, group, one, analysis);
    after_users(state, number, one->operation);
    entry->readers = -1;
    entry->writer = (int32_t)delivered;
    if (!state->untracked)
        hold(state, atom, number);
    return 1;
}

void free_gathering(struct gathering *of)
{
    free(of->want);
    free(of->portion);
    free(of->group);
    free(of->participant);
    free(of->given);
    free(of->freed);
}
