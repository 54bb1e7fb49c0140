/* The run: which steps it asks for, told as graph, script and trace.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "run_text.h"

typedef struct scenario {
  const char *name, *graph, *script, *trace;
} scenario;

static const scenario attempts[] = {
    {"a failed exec is tried again", "A exec tries=3", "A.exec: ! ! .",
     "+A A.exec~ A.exec1~ A.exec2 end"},
    {"the wait grows up to its cap", "A exec tries=5 wait=10 backoff=2 cap=25",
     "A.exec: ! ! ! ! !",
     "+A A.exec~ A:wait(10) A.exec1~ A:wait(20) A.exec2~ A:wait(25) A.exec3~ "
     "A:wait(25) A.exec4 failed@A.exec4"},
    {"retry_after is waited at least, past the cap",
     "A exec tries=4 wait=10 cap=12", "A.exec: !7 !99 !",
     "+A A.exec~ A:wait(10) A.exec1~ A:wait(99) A.exec2~ A:wait(10) A.exec3 "
     "end"},
    {"one that asks for more than there may be ends the attempts",
     "A exec fallback tries=3 most=9", "A.exec: !9 !10",
     "+A A.exec~ A:wait(9) A.exec1~ A.fallback1 end"},
    {"which is two minutes", "A exec tries=3",
     "A.exec: !120000000000 !120000000001",
     "+A A.exec~ A:wait(120000000000) A.exec1~ failed@A.exec1"},
    {"retry_after is waited without a wait", "A exec tries=2", "A.exec: !4",
     "+A A.exec~ A:wait(4) A.exec1 end"},
    {"a final failure is not tried again", "A exec tries=3", "A.exec: !!",
     "+A A.exec~ failed@A.exec"},
    {"the fallback replaces exec", "A all tries=2", "A.exec: ! !; A.post: done",
     "+A A.prep A.exec~ A.exec1~ A.fallback1 A.post1 end(done)"},
    {"the fallback follows a final failure", "A all tries=2", "A.exec: !!",
     "+A A.prep A.exec~ A.fallback A.post end"},
    {"the fallback may fail", "A all tries=2", "A.exec: ! !; A.fallback: !",
     "+A A.prep A.exec~ A.exec1~ A.fallback1 failed@A.fallback1"},
    {"prep is not tried again", "A all tries=2", "A.prep: !",
     "+A A.prep failed@A.prep"},
    {"post is not tried again", "A all tries=2", "A.post: !",
     "+A A.prep A.exec~ A.post failed@A.post"},
    {0},
};

static const scenario walks[] = {
    {"default leads on", "F flow start=A; A post; B; A > B", "",
     "+F +A A.post +B F< end"},
    {"default may be spelt out", "F flow start=A; A post; B; A > B",
     "A.post: default", "+F +A A.post +B F< end"},
    {"an action chooses",
     "F flow start=A; A post; B post; C; A -x> B; A > C; B -y> END",
     "A.post: x; B.post: y", "+F +A A.post +B B.post F<y end(y)"},
    {"a node may follow itself", "F flow start=A; A post; A -more> A; A > END",
     "A.post: more more .", "+F +A A.post +A A.post +A A.post F< end"},
    {"no successors at all end the flow", "F flow start=A; A post", "A.post: x",
     "+F +A A.post F<x end(x)"},
    {"none for this action ends it with a warning",
     "F flow start=A; A post; B; A -x> B", "A.post: z",
     "+F +A A.post A:warn(z) F<z end(z)"},
    {"none for default warns as well", "F flow start=A; A; B; A -x> B", "",
     "+F +A A:warn() F< end"},
    {"strict makes it a failure", "F flow strict start=A; A post; B; A -x> B",
     "A.post: z", "+F +A A.post A:raise(EACTION) failed@F/A.post"},
    {"which the flow may catch",
     "F flow strict fallback start=A; A post; B; A -x> B", "A.post: z",
     "+F +A A.post~ A:raise(EACTION)~ F.fallback end"},
    {"wiring anew replaces", "F flow start=A; A post; B; C; A -x> B; A -x> C",
     "A.post: x", "+F +A A.post +C F< end"},
    {"a node alone has no successor", "A post; B; A -x> B", "A.post: z",
     "+A A.post end(z)"},
    {0},
};

static const scenario nested[] = {
    {"a flow has all phases", "F flow all start=A; A exec", "F.post: y",
     "+F F.prep +A A.exec~ F< F.post end(y)"},
    {"it hands on an action that it is wired for",
     "F flow start=G; G flow start=A; A post; B; C; G -x> B; G > C",
     "A.post: x", "+F +G +A A.post G<x +B F< end"},
    {"one that it is not wired for becomes default",
     "F flow start=G; G flow start=A; A post; B; G > B", "A.post: x",
     "+F +G +A A.post G<x G:stray(x) +B F< end"},
    {"even where default leads nowhere, of which one warning is enough",
     "F flow start=G; G flow start=A; A post; B; G -y> B", "A.post: x",
     "+F +G +A A.post G<x G:warn(x) F< end"},
    {"or to the end",
     "F flow start=G; G flow start=A; A post; B; G -y> B; G > END", "A.post: x",
     "+F +G +A A.post G<x G:stray(x) F< end"},
    {"a strict flow around it refuses that",
     "F flow strict start=G; G flow start=A; A post; B; G > B", "A.post: x",
     "+F +G +A A.post G<x G:raise(EACTION) failed@F/G.post"},
    {"not a strict one inside",
     "F flow start=G; G flow strict start=A; A post; B; G > B", "A.post: x",
     "+F +G +A A.post G<x G:stray(x) +B F< end"},
    {"\"default\" is no other action than none",
     "F flow start=G; G flow start=A; A post; B; G -y> B", "A.post: default",
     "+F +G +A A.post G<default G:warn() F< end"},
    {"the action of a fallback is one that it is not wired for",
     "F flow start=G; G flow fallback tries=1 start=A; A exec; B; G > B",
     "A.exec: !; G.fallback: x",
     "+F +G +A A.exec~ G.fallback G:stray(x) +B F< end"},
    {"what the root is wired for does not count",
     "F flow start=A; A post; B; F > B", "A.post: x",
     "+F +A A.post F<x end(x)"},
    {"not wired at all it hands on any",
     "F flow start=G; G flow start=A; A post", "A.post: x",
     "+F +G +A A.post G<x F<x end(x)"},
    {"wired to the end it ends",
     "F flow start=G; G flow start=A; A post; G -x> END", "A.post: x",
     "+F +G +A A.post G<x F<x end(x)"},
    {"its post decides otherwise",
     "F flow start=G; G flow post start=A; A post; B; G -x> B", "A.post: x",
     "+F +G +A A.post G<x G.post G:warn() F< end"},
    {"its fallback is no walk: default",
     "F flow start=G; G flow fallback start=A; A post; B exec; C; A > B; "
     "A -x> B; G -x> END; G > C",
     "A.post: x; B.exec: !",
     "+F +G +A A.post~ +B B.exec~ G.fallback +C F< end"},
    {"a flow is tried again whole",
     "F flow tries=2 wait=5 start=A; A exec; B exec; A > B", "B.exec: ! .",
     "+F +A A.exec~ +B B.exec~ F:wait(5) +A A.exec +B B.exec F< end"},
    {"and without a wait", "F flow tries=2 start=A; A exec", "A.exec: ! .",
     "+F +A A.exec~ +A A.exec F< end"},
    {"a failed walk goes to the fallback, and on by default",
     "F flow start=G; G flow fallback start=A; A exec; B; G > B", "A.exec: !",
     "+F +G +A A.exec~ G.fallback +B F< end"},
    {"prep inside is caught outside", "F flow fallback start=A; A prep",
     "A.prep: !", "+F +A A.prep~ F.fallback end"},
    {"post inside is caught outside", "F flow tries=2 start=A; A post",
     "A.post: !", "+F +A A.post~ +A A.post F< end"},
    {"a fallback that fails is caught further out",
     "F flow fallback start=G; G flow fallback start=A; A exec",
     "A.exec: !; G.fallback: !", "+F +G +A A.exec~ G.fallback~ F.fallback end"},
    {"the place is where the last failure was",
     "F flow start=G; G flow fallback start=A; A exec",
     "A.exec: !; G.fallback: !",
     "+F +G +A A.exec~ G.fallback failed@F/G.fallback"},
    {"the place is as deep as the failure",
     "F flow start=G; G flow tries=2 start=A; A exec tries=2",
     "A.exec: ! ! ! !",
     "+F +G +A A.exec~ A.exec1~ +A A.exec~ A.exec1 failed@F/G/A.exec1"},
    {"final is final further out, too",
     "F flow tries=3 start=A; A exec tries=2", "A.exec: !!",
     "+F +A A.exec~ failed@F/A.exec"},
    {"what asks for more than one allows may be waited for further out",
     "F flow tries=2 most=9 start=A; A exec tries=2 most=4", "A.exec: !5 .",
     "+F +A A.exec~ F:wait(5) +A A.exec~ F< end"},
    {"so is retry_after", "F flow tries=2 wait=1 start=A; A exec",
     "A.exec: !9 .", "+F +A A.exec~ F:wait(9) +A A.exec F< end"},
    {0},
};

static const scenario batches[] = {
    {"a list", "B batch prep exec post", "B.items: 2; B.post: x",
     "+B B.prep B:items B:fetch(0) B.exec B:item(0) B:fetch(1) B.exec "
     "B:item(1) B.post end(x)"},
    {"an empty list", "B batch prep exec post", "B.items: 0",
     "+B B.prep B:items B.post end"},
    {"an iterator", "B batch exec", "B.items: *; B.fetch: . -",
     "+B B:items B:fetch(0) B.exec B:item(0) B:fetch(1) end"},
    {"a list that ends early", "B batch exec", "B.items: 9; B.fetch: -",
     "+B B:items B:fetch(0) end"},
    {"items without exec", "B batch", "B.items: 1",
     "+B B:items B:fetch(0) B:item(0) end"},
    {"each item is tried again", "B batch exec tries=2 wait=3",
     "B.items: 2; B.exec: !",
     "+B B:items B:fetch(0) B.exec~ B:wait(3) B.exec1 B:item(0) B:fetch(1) "
     "B.exec~ B:item(1) end"},
    {"each item has its fallback", "B batch exec fallback post",
     "B.items: 2; B.exec: . !",
     "+B B:items B:fetch(0) B.exec~ B:item(0) B:fetch(1) B.exec~ B.fallback "
     "B:item(1) B.post end"},
    {"a failed item stops the batch", "B batch exec fallback tries=2 post",
     "B.items: 3; B.exec: . ! !!; B.fallback: !",
     "+B B:items B:fetch(0) B.exec~ B:item(0) B:fetch(1) B.exec~ B.exec1~ "
     "B.fallback1 failed@B/B[1].fallback1"},
    {"unless it collects", "B batch collect exec post",
     "B.items: 3; B.exec: . ! .",
     "+B B:items B:fetch(0) B.exec~ B:item(0) B:fetch(1) B.exec~ B:item(1)x "
     "B:fetch(2) B.exec~ B:item(2) B.post end"},
    {"a failed list is not collected", "B batch collect exec", "B.items: !",
     "+B B:items failed@B.prep"},
    {"nor is a failed fetch", "B batch collect exec",
     "B.items: *; B.fetch: . !",
     "+B B:items B:fetch(0) B.exec~ B:item(0) B:fetch(1) failed@B.prep"},
    {"a flow tries a batch again whole", "F flow tries=2 start=B; B batch exec",
     "B.items: 2 1; B.exec: . ! .",
     "+F +B B:items~ B:fetch(0)~ B.exec~ B:item(0) B:fetch(1)~ B.exec~ "
     "+B B:items B:fetch(0) B.exec B:item(0) F< end"},
    {"a flow once for each item", "B batchflow prep post start=A; A exec post",
     "B.items: 2; A.post: x x",
     "+B B.prep B:items B:fetch(0) +A A.exec A.post B:item(0) B:fetch(1) +A "
     "A.exec A.post B:item(1) B.post end"},
    {"a walk for an item is tried again", "B batchflow tries=2 start=A; A exec",
     "B.items: 1; A.exec: !",
     "+B B:items B:fetch(0) +A A.exec~ +A A.exec B:item(0) end"},
    {"a walk for an item has its fallback",
     "B batchflow fallback start=A; A prep", "B.items: 1; A.prep: !",
     "+B B:items B:fetch(0) +A A.prep~ B.fallback B:item(0) end"},
    {"whatever fails inside is collected",
     "B batchflow collect start=A; A post", "B.items: 2; A.post: !",
     "+B B:items B:fetch(0) +A A.post~ B:item(0)x B:fetch(1) +A A.post~ "
     "B:item(1) end"},
    {"its action is default, not that of a walk",
     "F flow start=B; B batchflow start=A; A post; C; D; B -x> C; B > D",
     "B.items: 1; A.post: x",
     "+F +B B:items B:fetch(0) +A A.post B:item(0) +D F< end"},
    {"an action that leads nowhere warns inside an item",
     "B batchflow start=A; A post; C; A -y> C", "B.items: 1; A.post: x",
     "+B B:items B:fetch(0) +A A.post A:warn(x) B:item(0) end"},
    {"a batch inside a batch", "B batchflow start=C; C batch exec",
     "B.items: 2; C.items: 2 1; C.exec: . . !",
     "+B B:items B:fetch(0) +C C:items C:fetch(0) C.exec C:item(0) C:fetch(1) "
     "C.exec C:item(1) B:item(0) B:fetch(1) +C C:items C:fetch(0) C.exec "
     "failed@B/B[1]/C/C[0].exec"},
    {0},
};

static const scenario workers[] = {
    {"workers share the items", "B batch at=2 exec post", "B.items: 3",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:B.exec 2:B:fetch(1) "
     "1:B:item(0) 2:B.exec 1:B:fetch(2) 2:B:item(1) 1:B.exec 2:end "
     "1:B:item(2) B:join 1:end B.post end"},
    {"no more of them than items", "B batch at=9 exec", "B.items: 2",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:B.exec 2:B:fetch(1) "
     "1:B:item(0) 2:B.exec 1:end 2:B:item(1) 2:end B:join end"},
    {"none for a single item", "B batch at=9 exec", "B.items: 1",
     "+B B:items B:fetch(0) B.exec B:item(0) end"},
    {"only one fetches at a time", "B batch at=2 exec",
     "B.items: *; B.fetch: ~ ~ . -",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec 2:end 1:B:item(0) B:join 1:end end"},
    {"the first failure stops the others", "B batch at=2 exec",
     "B.items: 9; B.exec: never !",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:B.exec 2:B:fetch(1) "
     "2:B.exec 2:failed@B/B[1].exec B:stop B:join failed@B.exec"},
    {"no worker fetches after a failure", "B batch at=2 exec",
     "B.items: 9; B.exec: ~ ! .",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:B.exec 2:B:fetch(1) "
     "2:B.exec 1:failed@B/B[0].exec 2:B:item(1) 2:end B:stop B:join "
     "failed@B.exec"},
    {"the first of several failures counts",
     "F flow tries=3 start=B; B batch at=3 exec",
     "B.items: 9; B.exec: ~ !! ! never",
     "+F +B B:items~ B:fork(3)~ 1:B:fetch(0) 2:B:turn 3:B:turn B:join~ "
     "1:B.exec 2:B:fetch(1) 2:B.exec 3:B:fetch(2) 1:failed@B/B[0].exec "
     "2:failed@B/B[1].exec 3:B.exec B:stop B:join~ B:join~ failed@F/B.exec"},
    {"and not a later one", "F flow tries=2 start=B; B batch at=3 exec",
     "B.items: 9 0; B.exec: ~ ! !! never",
     "+F +B B:items~ B:fork(3)~ 1:B:fetch(0) 2:B:turn 3:B:turn B:join~ "
     "1:B.exec 2:B:fetch(1) 2:B.exec 3:B:fetch(2) 1:failed@B/B[0].exec "
     "2:failed@B/B[1].exec 3:B.exec B:stop B:join~ B:join~ +B B:items F< end"},
    {"collecting ones go on", "B batch at=2 collect exec post",
     "B.items: 3; B.exec: ! ! .",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:B.exec~ "
     "2:B:fetch(1) 1:B:item(0)x 2:B.exec~ 1:B:fetch(2) 2:B:item(1)x "
     "1:B.exec~ 2:end 1:B:item(2) B:join 1:end B.post end"},
    {"a worker that fails to fetch fails them all", "B batch at=2 collect exec",
     "B.items: *; B.fetch: . !",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec~ 2:failed@B.prep 1:B:item(0) B:stop B:join failed@B.exec"},
    {"flows side by side", "B batchflow at=2 start=A; A exec", "B.items: 2",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:+A 2:B:fetch(1) "
     "1:A.exec 2:+A 1:B:item(0) 2:A.exec 1:end 2:B:item(1) 2:end B:join end"},
    {"of uncounted items, when the others are busy", "B batch at=3 exec",
     "B.items: *; B.fetch: . . . . -; B.exec: ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ ~ .",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec 2:B:fork(1) 3:B:fetch(2) 2:B.exec 3:B.exec 3:B:item(2) "
     "1:B:item(0) 2:B:item(1) 3:B:fetch(3) 1:B:turn 2:B:turn 3:B.exec "
     "1:B:fetch(4) 3:B:item(3) 1:end 2:end 3:end B:join B:join end"},
    {"no more than the limit", "B batch at=2 exec",
     "B.items: *; B.fetch: . . . -",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec 2:B.exec 1:B:item(0) 2:B:item(1) 1:B:fetch(2) 2:B:turn "
     "1:B.exec 2:B:fetch(3) 1:B:item(2) 2:end 1:end B:join end"},
    {"none for an iterator that gives nothing", "B batch at=9 exec",
     "B.items: *; B.fetch: -",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:end end"},
    {"one more than there are items", "B batch at=9 exec",
     "B.items: *; B.fetch: . -",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec 2:end 1:B:item(0) B:join 1:end end"},
    {"none while another waits for an item", "B batch at=9 exec",
     "B.items: *; B.fetch: . ~ ~ ~ ~ ~ . -",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec 1:B:item(0) 1:B:turn 2:B.exec 1:B:fetch(2) 2:B:item(1) 1:end "
     "2:end B:join end"},
    {"none after a failure", "B batch at=9 exec",
     "B.items: *; B.fetch: . ~ .; B.exec: !",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec 1:failed@B/B[0].exec 2:B.exec 2:B:item(1) B:stop B:join "
     "failed@B.exec"},
    {"workers of workers", "B batchflow at=2 start=C; C batch at=2 exec",
     "B.items: *; C.items: * *; B.fetch: . . -; C.fetch: . . - -",
     "+B B:items B:fork(1) 1:B:fetch(0) B:join 1:B:fork(1) 2:B:fetch(1) 1:+C "
     "2:+C 1:C:items 2:C:items 1:C:fork(1) 2:C:fork(1) 3:C:fetch(0) "
     "4:C:fetch(0) 1:C:join 2:C:join 3:C:fork(1) 4:C:fork(1) 5:C:fetch(1) "
     "6:C:fetch(1) 3:C.exec 4:C.exec 5:end 6:end 3:C:item(0) 4:C:item(0) "
     "1:C:join 2:C:join 3:end 4:end 1:B:item(0) 2:B:item(1) 1:B:fetch(2) "
     "2:B:turn 1:end 2:end B:join end"},
    {0},
};

static const scenario useless_items[] = {
    {"an item of no use is not tried", "B batch collect exec fallback tries=3",
     "B.items: 3; B.fetch: . ? .",
     "+B B:items B:fetch(0) B.exec~ B:item(0) B:fetch(1) B:item(1)x "
     "B:fetch(2) B.exec~ B:item(2) end"},
    {"it stops a batch that does not collect", "B batch exec fallback",
     "B.items: 3; B.fetch: . ? .",
     "+B B:items B:fetch(0) B.exec~ B:item(0) B:fetch(1) failed@B/B[1].prep"},
    {"a worker goes on after it", "B batch at=2 collect exec",
     "B.items: 3; B.fetch: ? . ?",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:B:item(0)x "
     "2:B:fetch(1) 1:B:turn 2:B.exec~ 1:B:fetch(2) 2:B:item(1) 1:B:item(2)x "
     "2:end 1:end B:join end"},
    {"or stops the others", "B batch at=2 exec",
     "B.items: 3; B.fetch: . ?; B.exec: never",
     "+B B:items B:fork(2) 1:B:fetch(0) 2:B:turn B:join 1:B.exec 2:B:fetch(1) "
     "2:failed@B/B[1].prep B:stop B:join failed@B.exec"},
    {"a flow around it tries again", "F flow tries=2 start=B; B batch exec",
     "B.items: 2 0; B.fetch: ?",
     "+F +B B:items~ B:fetch(0)~ +B B:items F< end"},
    {"it counts", "B batch collect", "max: 2; B.items: 3; B.fetch: . ?",
     "+B B:items B:fetch(0) B:item(0) B:fetch(1) B:raise(EMAXSTEPS) "
     "failed@B/B[1].exec"},
    {0},
};

static const scenario parallels[] = {
    {"branches side by side, each with its action",
     "P parallel post branch=A branch=B; A exec post; B exec",
     "A.post: x; P.post: y",
     "+P P:items P:fork(2) 1:P:fetch(0) 2:P:turn P:join 1:+A 2:P:fetch(1) "
     "1:A.exec 2:+B 1:A.post 2:B.exec 1:P[0]<x 2:P[1]< 1:P:item(0) "
     "2:P:item(1) 1:end(x) 2:end P:join P.post end(y)"},
    {"one after the other",
     "P parallel at=1 branch=A branch=B; A exec post; B exec", "A.post: x",
     "+P P:items P:fetch(0) +A A.exec A.post P[0]<x P:item(0) P:fetch(1) +B "
     "B.exec P[1]< P:item(1) end"},
    {"a node may be there twice", "P parallel branch=A branch=A; A exec",
     "A.exec: ~ .",
     "+P P:items P:fork(2) 1:P:fetch(0) 2:P:turn P:join 1:+A 2:P:fetch(1) "
     "1:A.exec 2:+A 2:A.exec 1:P[0]< 2:P[1]< 1:P:item(0) 2:P:item(1) 1:end "
     "2:end P:join end"},
    {"its own action is default, and leads on",
     "F flow start=P; P parallel branch=A; A post; B; C; P -x> B; P > C",
     "A.post: x",
     "+F +P P:items P:fetch(0) +A A.post P[0]<x P:item(0) +C F< end"},
    {"what a branch is wired for does not count",
     "F flow strict start=P; P parallel branch=A; A post; B; A -x> B",
     "A.post: z", "+F +P P:items P:fetch(0) +A A.post P[0]<z P:item(0) F< end"},
    {"a flow as a branch hands on any action",
     "P parallel branch=G; G flow start=A; A post; B; G -y> B", "A.post: x",
     "+P P:items P:fetch(0) +G +A A.post G<x P[0]<x P:item(0) end"},
    {"unless its post decides otherwise",
     "P parallel branch=G; G flow post start=A; A post", "A.post: x; G.post: y",
     "+P P:items P:fetch(0) +G +A A.post G<x G.post P[0]<y P:item(0) end"},
    {"the first failure stops the others",
     "P parallel branch=A branch=B branch=C; A exec; B exec; C exec",
     "A.exec: never; B.exec: !",
     "+P P:items P:fork(3) 1:P:fetch(0) 2:P:turn 3:P:turn P:join 1:+A "
     "2:P:fetch(1) 1:A.exec 2:+B 3:P:fetch(2) 2:B.exec 3:+C "
     "2:failed@P/P[1]/B.exec 3:C.exec 3:P[2]< P:stop P:join P:join "
     "failed@P.exec"},
    {"unless it collects",
     "P parallel collect post branch=A branch=B branch=C; A exec; B exec; C "
     "prep",
     "A.exec: ~ .; B.exec: !; C.prep: !",
     "+P P:items P:fork(3) 1:P:fetch(0) 2:P:turn 3:P:turn P:join 1:+A "
     "2:P:fetch(1) 1:A.exec~ 2:+B 3:P:fetch(2) 2:B.exec~ 3:+C 1:P[0]< "
     "2:P:item(1)x 3:C.prep~ 1:P:item(0) 2:end 3:P:item(2)x 1:end 3:end "
     "P:join P:join P.post end"},
    {"each branch is tried again",
     "P parallel at=1 tries=2 wait=3 branch=A branch=B; A exec; B exec",
     "A.exec: ! .",
     "+P P:items P:fetch(0) +A A.exec~ P:wait(3) +A A.exec P[0]< P:item(0) "
     "P:fetch(1) +B B.exec~ P[1]< P:item(1) end"},
    {"which is not the branch's own affair",
     "P parallel at=1 tries=2 branch=A; A exec tries=2", "A.exec: ! ! .",
     "+P P:items P:fetch(0) +A A.exec~ A.exec1~ +A A.exec~ P[0]< P:item(0) "
     "end"},
    {"each branch has its fallback",
     "P parallel at=1 tries=2 fallback branch=A branch=B; A exec; B exec",
     "A.exec: ! !",
     "+P P:items P:fetch(0) +A A.exec~ +A A.exec~ P.fallback1 P:item(0) "
     "P:fetch(1) +B B.exec~ P[1]< P:item(1) end"},
    {"each branch has its time limit",
     "P parallel at=1 timeout=5 fallback branch=A branch=B; A exec; B post",
     "A.exec: never; B.post: x",
     "+P P:items P:fetch(0) P:attempt~ 1:+A 1:A.exec P.fallback P:item(0) "
     "P:fetch(1) P:attempt~ 2:+B 2:B.post 2:P[1]<x 2:end(x) P:item(1) end"},
    {"a flow tries it again whole",
     "F flow tries=2 start=P; P parallel branch=A branch=B; A exec; B exec",
     "A.exec: !",
     "+F +P P:items~ P:fork(2)~ 1:P:fetch(0) 2:P:turn P:join~ 1:+A "
     "2:P:fetch(1) 1:A.exec 2:+B 1:failed@P/P[0]/A.exec 2:B.exec 2:P[1]< "
     "P:stop P:join~ +P P:items P:fork(2) 3:P:fetch(0) 4:P:turn P:join 3:+A "
     "4:P:fetch(1) 3:A.exec 4:+B 3:P[0]< 4:B.exec 3:P:item(0) 4:P[1]< 3:end "
     "4:P:item(1) 4:end P:join F< end"},
    {"a parallel inside a parallel",
     "P parallel branch=Q branch=C; Q parallel branch=A branch=B; A exec; B "
     "exec; C exec",
     "",
     "+P P:items P:fork(2) 1:P:fetch(0) 2:P:turn P:join 1:+Q 2:P:fetch(1) "
     "1:Q:items 2:+C 1:Q:fork(2) 2:C.exec 3:Q:fetch(0) 4:Q:turn 1:Q:join "
     "2:P[1]< 3:+A 4:Q:fetch(1) 2:P:item(1) 3:A.exec 4:+B 2:end 3:Q[0]< "
     "4:B.exec 3:Q:item(0) 4:Q[1]< P:join 3:end 4:Q:item(1) 4:end 1:Q:join "
     "1:P[0]< 1:P:item(0) 1:end end"},
    {"a batch inside a parallel", "P parallel branch=B; B batch exec post",
     "B.items: 2; B.post: x",
     "+P P:items P:fetch(0) +B B:items B:fetch(0) B.exec B:item(0) B:fetch(1) "
     "B.exec B:item(1) B.post P[0]<x P:item(0) end"},
    {"a parallel inside a batch",
     "B batchflow start=P; P parallel branch=A branch=C; A exec; C exec",
     "B.items: 1",
     "+B B:items B:fetch(0) +P P:items P:fork(2) 1:P:fetch(0) 2:P:turn P:join "
     "1:+A 2:P:fetch(1) 1:A.exec 2:+C 1:P[0]< 2:C.exec 1:P:item(0) 2:P[1]< "
     "1:end 2:P:item(1) 2:end P:join B:item(0) end"},
    {"where the host cannot begin, it fails", "P parallel collect branch=A; A",
     "P.items: !", "+P P:items failed@P.prep"},
    {"nor can it collect what is no branch's", "P parallel collect branch=A; A",
     "P.fetch: !", "+P P:items P:fetch(0) failed@P.prep"},
    {"a branch that the host refuses has failed",
     "P parallel at=1 collect branch=A branch=B; A; B", "P.fetch: ? .",
     "+P P:items P:fetch(0) P:item(0)x P:fetch(1) +B P[1]< P:item(1) end"},
    {0},
};

static const scenario timeouts[] = {
    {"an attempt has a run of its own", "A all timeout=5", "A.post: x",
     "+A A.prep A:attempt~ 1:A.exec 1:end A.post end(x)"},
    {"one that takes too long has failed", "A exec timeout=5 tries=2",
     "A.exec: never", "+A A:attempt~ 1:A.exec A:attempt1 2:A.exec1 2:end end"},
    {"one that fails has failed", "A exec timeout=5 tries=2", "A.exec: !9 !!",
     "+A A:attempt~ 1:A.exec 1:failed@A.exec A:wait(9) A:attempt1 2:A.exec1 "
     "2:failed@A.exec1 failed@A.exec1"},
    {"of a flow it brings the action", "F flow timeout=5 start=A; A post",
     "A.post: x", "+F F:attempt 1:+A 1:A.post 1:F<x 1:end(x) end(x)"},
    {"of a flow it walks anew each time",
     "F flow timeout=5 tries=2 start=A; A exec; B exec; A > B", "B.exec: never",
     "+F F:attempt~ 1:+A 1:A.exec 1:+B 1:B.exec F:attempt1 2:+A 2:A.exec 2:+B "
     "2:B.exec 2:F< 2:end end"},
    {"a flow inside catches its own",
     "F flow timeout=5 start=G; "
     "G flow timeout=3 fallback start=A; A exec",
     "A.exec: never",
     "+F F:attempt 1:+G 1:G:attempt~ 2:+A 2:A.exec 1:G.fallback 1:F< 1:end "
     "end"},
    {"an item has its own", "B batch collect timeout=5 exec",
     "B.items: 2; B.exec: never",
     "+B B:items B:fetch(0) B:attempt~ 1:B.exec B:item(0)x B:fetch(1) "
     "B:attempt~ 2:B.exec 2:end B:item(1) end"},
    {"the walk for an item has its own",
     "B batchflow timeout=5 start=A; A exec", "B.items: 2; A.exec: . !",
     "+B B:items B:fetch(0) B:attempt 1:+A 1:A.exec 1:B< 1:end B:item(0) "
     "B:fetch(1) B:attempt 2:+A 2:A.exec 2:failed@B[1]/A.exec "
     "failed@B/B[1].exec"},
    {"workers end with the attempt",
     "F flow timeout=5 fallback start=B; B batch at=2 exec",
     "B.items: 2; B.exec: never never",
     "+F F:attempt~ 1:+B 1:B:items 1:B:fork(2) 2:B:fetch(0) 3:B:turn 1:B:join "
     "2:B.exec 3:B:fetch(1) 3:B.exec F.fallback end"},
    {0},
};

static const scenario limits[] = {
    {"a cycle without end", "F flow start=A; A; A > A", "max: 3",
     "+F +A +A A:raise(EMAXSTEPS) failed@F/A.prep"},
    {"nobody catches the limit", "F flow tries=9 fallback start=A; A; A > A",
     "max: 3", "+F +A +A A:raise(EMAXSTEPS) failed@F/A.prep"},
    {"nobody collects it", "B batch collect exec", "max: 2; B.items: *",
     "+B B:items B:fetch(0) B.exec~ B:item(0) B:fetch(1) B:raise(EMAXSTEPS) "
     "failed@B/B[1].exec"},
    {"attempts count for their run",
     "F flow timeout=5 tries=3 start=A; A; A > A", "max: 3",
     "+F F:attempt~ 1:+A 1:+A 1:A:raise(EMAXSTEPS) 1:failed@F/A.prep "
     "failed@F.exec"},
    {"so do workers", "F flow fallback start=B; B batch at=2 collect exec",
     "max: 3; B.items: *; B.exec: never",
     "+F +B B:items~ B:fork(1)~ 1:B:fetch(0) B:join~ 1:B:fork(1) 2:B:fetch(1) "
     "1:B.exec~ 2:B:raise(EMAXSTEPS) 2:failed@B/B[1].exec B:stop B:join "
     "failed@F/B.exec"},
    {"the last visit allowed still catches", "F flow start=A; A exec fallback",
     "max: 2; A.exec: !", "+F +A A.exec~ A.fallback F< end"},
    {"a branch counts once", "P parallel branch=A branch=B; A; B", "max: 3",
     "+P P:items P:fork(2) 1:P:fetch(0) 2:P:turn P:join 1:+A 2:P:fetch(1) "
     "1:P[0]< 2:+B 1:P:item(0) 2:P[1]< 1:end 2:P:item(1) 2:end P:join end"},
    {"and is refused as a visit",
     "P parallel at=1 collect branch=A branch=B; A; B", "max: 2",
     "+P P:items P:fetch(0) +A P[0]< P:item(0) P:fetch(1) B:raise(EMAXSTEPS) "
     "failed@P/P[1]/B.prep"},
    {0},
};

/* Plays a scenario, and again with each of its allocations failing. */
static void check(const scenario *s) {
  text_run t = {.graph = s->graph, .script = s->script};
  print_message("  %s\n", s->name);
  int status = text_play(&t, NULL);
  assert_string_equal(s->trace, t.trace);
  assert_int_equal(strstr(s->trace, " failed") ? NEAP_EFAILED : 0, status);
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_alloc alloc = failing_alloc(&memory, n);
    status = text_play(&t, &alloc);
    failed = memory.failed;
    assert_int_equal(0, memory.live);
    assert_true(failed ==
                (status == NEAP_ENOMEM || 0 != strcmp(s->trace, t.trace)));
  }
}

static void check_all(void **state) {
  for (const scenario *s = *state; s->name; s++)
    check(s);
}

static void phases_that_a_node_lacks_are_passed_over(void **state) {
  (void)state;
  for (unsigned methods = 0; methods < 16; methods++) {
    bool prep = methods & 1u << NEAP_PREP, exec = methods & 1u << NEAP_EXEC,
         fallback = methods & 1u << NEAP_FALLBACK,
         post = methods & 1u << NEAP_POST;
    char graph[64], trace[64];
    snprintf(graph, sizeof graph, "A%s%s%s%s", prep ? " prep" : "",
             exec ? " exec" : "", fallback ? " fallback" : "",
             post ? " post" : "");
    snprintf(trace, sizeof trace, "+A%s%s%s%s end", prep ? " A.prep" : "",
             exec ? " A.exec" : "", exec && fallback ? "~" : "",
             post ? " A.post" : "");
    check(&(scenario){
        .name = graph, .graph = graph, .script = "", .trace = trace});
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(phases_that_a_node_lacks_are_passed_over),
      {"attempts", check_all, NULL, NULL, (void *)attempts},
      {"walks", check_all, NULL, NULL, (void *)walks},
      {"nested", check_all, NULL, NULL, (void *)nested},
      {"batches", check_all, NULL, NULL, (void *)batches},
      {"workers", check_all, NULL, NULL, (void *)workers},
      {"useless items", check_all, NULL, NULL, (void *)useless_items},
      {"parallels", check_all, NULL, NULL, (void *)parallels},
      {"timeouts", check_all, NULL, NULL, (void *)timeouts},
      {"limits", check_all, NULL, NULL, (void *)limits},
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
