/* ---- Factorisations (section 6) ---- */

/* The prime factors of n > 0 in increasing order; an int has at most 31. */
HELPER int32_t prime_factors(int32_t n, int32_t *factors)
{
    int32_t count = 0;
    for (int32_t prime = 2; (int64_t)prime * prime <= n; prime++)
        for (; n % prime == 0; n /= prime)
            factors[count++] = prime;
    if (n > 1) factors[count++] = n;
    return count;
}

/* Each prime factor goes to the smallest part, the first on ties; at the end the parts are sorted,
 * the largest first. */
HELPER void balance(mapper_policy *p, source_location at, int32_t n, int32_t k, int32_t *parts)
{
    int32_t primes[31], count = prime_factors(n, primes);
    if (n < 1)
        fail(p, at, MAPPER_BALANCE_SPLIT_EXTENT, "balance_split cannot factor a size of %d", n);
    if (count > 0 && primes[count - 1] > 17)
        fail(p, at, MAPPER_BALANCE_SPLIT_EXTENT,
             "balance_split knows the primes up to 17, and %d has the factor %d", n,
             primes[count - 1]);
    for (int32_t i = 0; i < k; i++)
        parts[i] = 1;
    for (int32_t f = 0; f < count; f++) {
        int32_t smallest = 0;
        for (int32_t i = 1; i < k; i++)
            if (parts[i] < parts[smallest]) smallest = i;
        parts[smallest] *= primes[f];
    }
    for (int32_t i = 1; i < k; i++)
        for (int32_t j = i; j > 0 && parts[j - 1] < parts[j]; j--) {
            int32_t part = parts[j];
            parts[j] = parts[j - 1];
            parts[j - 1] = part;
        }
}

/* Each factor, the largest first, goes to the dimension with the most left of its extent. */
HELPER void greedy(int32_t n, int32_t k, const int32_t *extents, int32_t *parts)
{
    int32_t primes[31], count = prime_factors(n, primes);
    double left[MAX_DIMENSIONS];
    for (int32_t i = 0; i < k; i++) {
        parts[i] = 1;
        left[i] = extents[i];
    }
    while (count-- > 0) {
        int32_t most = 0;
        for (int32_t i = 1; i < k; i++)
            if (left[i] > left[most]) most = i;
        parts[most] *= primes[count];
        left[most] /= primes[count];
    }
}

/* Goes from one way to write e as an ordered sum of k terms to the next: from 0, ..., 0, e to
 * e, 0, ..., 0. After the last it starts again and answers false. */
HELPER bool next_composition(int32_t *terms, int32_t k)
{
    int32_t last = k - 1;
    while (terms[last] == 0 && last > 0)
        last--;
    int32_t rest = terms[last];
    terms[last] = 0;
    if (last == 0) {
        terms[k - 1] = rest;
        return false;
    }
    terms[last - 1]++;
    terms[k - 1] = rest - 1;
    return true;
}

/* All ordered factorisations of n into k parts, in the reference's order. */
typedef struct candidates {
    int32_t k, count;                     /* parts; different primes */
    int32_t primes[9];                    /* increasing */
    int32_t exponents[9][MAX_DIMENSIONS]; /* of each prime, in each part */
} candidates;

HELPER candidates first_candidate(int32_t n, int32_t k)
{
    candidates c = {.k = k};
    int32_t primes[31], count = prime_factors(n, primes);
    for (int32_t f = 0; f < count; f++) {
        if (f == 0 || primes[f] != primes[f - 1]) c.primes[c.count++] = primes[f];
        c.exponents[c.count - 1][k - 1]++;
    }
    return c;
}

HELPER bool next_candidate(candidates *c)
{
    for (int32_t q = 0; q < c->count; q++)
        if (next_composition(c->exponents[q], c->k)) return true;
    return false;
}

HELPER void candidate_parts(const candidates *c, int32_t *parts)
{
    for (int32_t i = 0; i < c->k; i++) {
        parts[i] = 1;
        for (int32_t q = 0; q < c->count; q++)
            for (int32_t e = c->exponents[q][i]; e > 0; e--)
                parts[i] *= c->primes[q];
    }
}

/* The sum of parts over extents, with the reference's rounding. */
HELPER float cost(int32_t k, const int32_t *parts, const int32_t *extents)
{
    double sum = 0.0;
    for (int32_t i = 0; i < k; i++)
        sum += (float)((double)parts[i] / (double)extents[i]);
    return (float)sum;
}

/* The cheapest factorisation; among equals the greedy one, else the first. */
HELPER void cheapest(mapper_policy *p, source_location at, int32_t n, int32_t k,
                     const int32_t *extents, int32_t *parts)
{
    size_t bytes = (size_t)k * sizeof(int32_t);
    int32_t tried[MAX_DIMENSIONS], greedy_parts[MAX_DIMENSIONS];
    float best = 2147483648.0f;
    bool greedy_ties = false;
    int32_t count = 0;
    greedy(n, k, extents, greedy_parts);
    candidates c = first_candidate(n, k);
    do {
        take_steps(p, at, 1);
        if (++count > MAX_CANDIDATES)
            fail(p, at, MAPPER_TOO_LARGE, "auto_split would compare more than %d factorisations",
                 MAX_CANDIDATES);
        candidate_parts(&c, tried);
        float this = cost(k, tried, extents), difference = this - best;
        if (!(-1e-6f < difference && difference < 1e-6f)) {
            if (!(this < best)) continue;
            best = this;
            memcpy(parts, tried, bytes);
            greedy_ties = false;
        }
        greedy_ties = greedy_ties || memcmp(tried, greedy_parts, bytes) == 0;
    } while (next_candidate(&c));
    if (greedy_ties) memcpy(parts, greedy_parts, bytes);
}

HELPER factoring *recall(mapper_policy *p, bool automatic, int32_t n, int32_t k,
                         const int32_t *extents)
{
    uint32_t hash = (uint32_t)n * 2 + automatic;
    for (int32_t i = 0; i < k; i++)
        hash = hash * 31 + (uint32_t)extents[i];
    factoring *slot = &p->memo[hash % MEMO_SLOTS];
    slot->known = slot->known && slot->automatic == automatic && slot->n == n && slot->k == k &&
                  memcmp(slot->extents, extents, (size_t)k * sizeof(int32_t)) == 0;
    return slot;
}

HELPER void factor(mapper_policy *p, source_location at, bool automatic, int32_t n, int32_t k,
                   const int32_t *extents, int32_t *parts)
{
    if (n < 0 || n > MAX_SPLIT_EXTENT)
        fail(p, at, MAPPER_SPLIT_EXTENT, "a size of %d is outside of 0 to %d", n,
             MAX_SPLIT_EXTENT);
    if (!automatic || n <= 1) {
        greedy(n, k, extents, parts);
        return;
    }
    for (int32_t i = 0; i < k; i++)
        if (extents[i] == 0)
            fail(p, at, MAPPER_AUTO_SPLIT_ZERO_EXTENT,
                 "auto_split cannot share processors among extents of which one is zero");
    cheapest(p, at, n, k, extents, parts);
}

/* auto_split and greedy_split of n over k > 0 extents. */
HELPER void factor_over(mapper_policy *p, source_location at, bool automatic, int32_t n, int32_t k,
                        const int32_t *extents, int32_t *parts)
{
    size_t bytes = (size_t)k * sizeof(int32_t);
    if (k > MEMO_PARTS) {
        factor(p, at, automatic, n, k, extents, parts);
        return;
    }
    factoring *slot = recall(p, automatic, n, k, extents);
    if (!slot->known) {
        slot->automatic = automatic;
        slot->n = n;
        slot->k = k;
        memcpy(slot->extents, extents, bytes);
        factor(p, at, automatic, n, k, extents, slot->parts);
        slot->known = true;
    }
    memcpy(parts, slot->parts, bytes);
}
