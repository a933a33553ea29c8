// What the judge must get right before its opinion counts. Run: node --test

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'

const TAG = 'aws:PrincipalTag/halligan:grant'
const ROLE = 'arn:aws:iam::111122223333:role/break-glass'
const SESSION = 'arn:aws:sts::111122223333:assumed-role/break-glass/k3'
const BROKER = 'arn:aws:sts::444455556666:assumed-role/halligan-broker/i-1'

const child = spawn(process.execPath, [new URL('judge.mjs', import.meta.url).pathname], {
  stdio: ['pipe', 'pipe', 'inherit']
})
const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
after(() => child.stdin.end())

async function ask(question) {
  child.stdin.write((typeof question === 'string' ? question : JSON.stringify(question)) + '\n')
  return JSON.parse((await answers.next()).value)
}

function statement(effect, condition, rest = {}) {
  return { Effect: effect, Action: '*', Resource: '*', ...(condition && { Condition: condition }), ...rest }
}

function policy(...statements) {
  return { Version: '2012-10-17', Statement: statements }
}

const ALLOW = policy(statement('Allow'))
const FENCED = policy(
  statement('Allow', undefined, { Action: ['s3:ListAllMyBuckets', 's3:GetObject'] }),
  statement('Deny', { DateGreaterThanEquals: { 'aws:CurrentTime': '2026-01-01T12:00:00Z' } })
)
const REVOKED = policy(statement('Deny', { StringEquals: { [TAG]: ['g1', 'g2'] } }, { Sid: 'Generation7' }))
const CUT = policy(
  statement('Deny', {
    DateLessThan: { 'aws:TokenIssueTime': '2026-01-01T11:00:00Z' },
    StringNotEquals: { [TAG]: ['g8', 'g9'] }
  })
)
const BOUNDARY = policy(statement('Allow'), statement('Deny', { Null: { [TAG]: 'true' } }))

async function decide(policies, context = {}, rest = {}) {
  const answer = await ask({
    id: 1,
    request: { principal: SESSION, action: 's3:ListAllMyBuckets', resource: '*', context, ...rest },
    policies
  })
  assert.equal(answer.id, 1)
  return answer
}

const at = (time, tag = 'g1') => ({
  'aws:CurrentTime': time,
  'aws:TokenIssueTime': '2026-01-01T10:00:00Z',
  ...(tag && { [TAG]: tag })
})

for (const [name, policies, context, expected, rest] of [
  ['before the fence', { identity: [ALLOW], session: [FENCED] }, at('2026-01-01T11:59:59Z'), 'allowed'],
  ['on the fence', { identity: [ALLOW], session: [FENCED] }, at('2026-01-01T12:00:00Z'), 'explicitDeny'],
  ['after the fence', { identity: [ALLOW], session: [FENCED] }, at('2026-01-01T12:00:01Z'), 'explicitDeny'],
  ['beyond the scope', { identity: [ALLOW], session: [FENCED] }, at('2026-01-01T11:00:00Z'), 'implicitDeny', { action: 'iam:ListUsers' }],
  ['the role gives nothing', { identity: [], session: [FENCED] }, at('2026-01-01T11:00:00Z'), 'implicitDeny'],
  ['fence and scope as two documents', { identity: [ALLOW], session: [ALLOW, policy(FENCED.Statement[1])] }, at('2026-01-01T12:00:00Z'), 'explicitDeny'],
  ['a revoked grant', { identity: [ALLOW, REVOKED] }, at('2026-01-01T11:00:00Z', 'g2'), 'explicitDeny'],
  ['another grant', { identity: [ALLOW, REVOKED] }, at('2026-01-01T11:00:00Z', 'g3'), 'allowed'],
  ['a session without the tag', { identity: [ALLOW, REVOKED] }, at('2026-01-01T11:00:00Z', null), 'allowed'],
  ['cut: an old token of an ended grant', { identity: [ALLOW, CUT] }, at('2026-01-01T11:30:00Z', 'g1'), 'explicitDeny'],
  ['cut: an old token of an active grant', { identity: [ALLOW, CUT] }, at('2026-01-01T11:30:00Z', 'g9'), 'allowed'],
  ['cut: an old token without a tag', { identity: [ALLOW, CUT] }, at('2026-01-01T11:30:00Z', null), 'explicitDeny'],
  ['cut: a new token', { identity: [ALLOW, CUT] }, { ...at('2026-01-01T11:30:00Z'), 'aws:TokenIssueTime': '2026-01-01T11:00:00Z' }, 'allowed'],
  ['boundary: tagged', { identity: [ALLOW], boundary: [BOUNDARY] }, at('2026-01-01T11:00:00Z'), 'allowed'],
  ['boundary: untagged', { identity: [ALLOW], boundary: [BOUNDARY] }, at('2026-01-01T11:00:00Z', null), 'explicitDeny'],
  ['boundary: narrower than the role', { identity: [ALLOW], boundary: [policy(statement('Allow', undefined, { Action: 'iam:*' }))] }, at('2026-01-01T11:00:00Z'), 'implicitDeny']
]) {
  test(name, async () => {
    const answer = await decide(policies, context, rest)
    assert.equal(answer.decision, expected, JSON.stringify(answer.detail))
  })
}

test('the deciding statement is named', async () => {
  const { detail } = await decide({ identity: [ALLOW, REVOKED] }, at('2026-01-01T11:00:00Z'))
  assert.deepEqual(
    detail.reasons.map(({ policyIdentifier, statementId, denialType }) => ({ policyIdentifier, statementId, denialType })),
    [{ policyIdentifier: 'identity[1]', statementId: 'Generation7', denialType: 'Explicit' }]
  )
})

const TRUST = policy({
  Effect: 'Allow',
  Principal: { AWS: 'arn:aws:iam::444455556666:role/halligan-broker' },
  Action: ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'],
  Condition: {
    StringEquals: { 'sts:ExternalId': 'deployment-1' },
    StringLike: { 'sts:SourceIdentity': '*' },
    Null: { 'aws:RequestTag/halligan:grant': 'false' }
  }
})
const ASKED = { 'sts:ExternalId': 'deployment-1', 'sts:SourceIdentity': 'alice-0123', 'aws:RequestTag/halligan:grant': 'g1' }

for (const [name, context, expected, principal] of [
  ['trust: as demanded', ASKED, 'allowed', BROKER],
  ['trust: another caller', ASKED, 'implicitDeny', 'arn:aws:sts::444455556666:assumed-role/other/i-1'],
  ['trust: the wrong external id', { ...ASKED, 'sts:ExternalId': 'x' }, 'implicitDeny', BROKER],
  ['trust: no source identity', { ...ASKED, 'sts:SourceIdentity': null }, 'implicitDeny', BROKER],
  ['trust: no grant tag', { ...ASKED, 'aws:RequestTag/halligan:grant': null }, 'implicitDeny', BROKER]
]) {
  test(name, async () => {
    const identity = [policy(statement('Allow', undefined, { Action: ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'], Resource: ROLE }))]
    const answer = await decide({ identity, trust: TRUST }, context, { principal, action: 'sts:AssumeRole', resource: ROLE })
    assert.equal(answer.decision, expected, JSON.stringify(answer.detail))
  })
}

const BUCKET = { resource: 'arn:aws:s3:::archive/k', accountId: '111122223333' }
const KEPT = policy(
  statement('Deny', { Null: { 's3:if-none-match': 'true' } }, { Principal: '*', Action: 's3:PutObject', Resource: BUCKET.resource }),
  statement('Deny', { StringNotLike: { 'aws:userid': 'AROAERASER:*' } }, { Principal: '*', Action: 's3:DeleteObject', Resource: BUCKET.resource })
)
const by = (id) => ({ 'aws:userid': id })

for (const [name, action, context, expected] of [
  ['bucket policy: only if absent', 's3:PutObject', { 's3:if-none-match': '*' }, 'allowed'],
  ['bucket policy: whatever is there', 's3:PutObject', {}, 'explicitDeny'],
  ['bucket policy: the role it names by id', 's3:DeleteObject', by('AROAERASER:s'), 'allowed'],
  ['bucket policy: another role', 's3:DeleteObject', by('AROAOTHER:s'), 'explicitDeny'],
  ['bucket policy: an id that only begins alike', 's3:DeleteObject', by('AROAERASER2:s'), 'explicitDeny'],
  ['bucket policy: nobody in particular', 's3:DeleteObject', {}, 'explicitDeny']
]) {
  test(name, async () => {
    const answer = await decide({ identity: [ALLOW], resource: KEPT }, context, { action, resource: BUCKET })
    assert.equal(answer.decision, expected, JSON.stringify(answer.detail))
  })
}

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef'
const KEY_POLICY = policy(
  { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::111122223333:root' }, Action: 'kms:DescribeKey', Resource: '*' },
  { Effect: 'Allow', Principal: { AWS: ROLE }, Action: 'kms:Sign', Resource: '*' }
)
const OTHER = SESSION.replace('break-glass', 'other')

for (const [name, identity, action, principal, expected] of [
  ['key policy: who it names needs no policy', [], 'kms:Sign', SESSION, 'allowed'],
  ['key policy: it withholds what IAM allows', [ALLOW], 'kms:Sign', OTHER, 'implicitDeny'],
  ['key policy: it leaves it to IAM', [ALLOW], 'kms:DescribeKey', OTHER, 'allowed'],
  ['key policy: and IAM says nothing', [], 'kms:DescribeKey', OTHER, 'implicitDeny']
]) {
  test(name, async () => {
    const answer = await decide({ identity, resource: KEY_POLICY }, {}, { action, principal, resource: KEY })
    assert.equal(answer.decision, expected, JSON.stringify(answer.detail))
  })
}

for (const [name, document, message] of [
  ['no JSON', '{"Version":', /not JSON/],
  ['a key twice', '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}', /stands twice/],
  ['no statement', policy(), /at least one statement/],
  ['an unknown element', { ...ALLOW, Statment: [] }, /Invalid key/],
  ['a principal in a session policy', policy(statement('Allow', undefined, { Principal: '*' })), /not allowed/],
  ['an unknown operator', policy(statement('Deny', { DateGreaterThanEqual: { 'aws:CurrentTime': '2026-01-01T12:00:00Z' } })), /no such condition operator/],
  ['no date', policy(statement('Deny', { DateLessThan: { 'aws:CurrentTime': 'tomorrow' } })), /not a value/],
  ['no values', policy(statement('Deny', { StringEquals: { [TAG]: [] } })), /at least one value/],
  ['a Sid that IAM refuses', policy(statement('Deny', undefined, { Sid: 'generation-7' })), /letters and digits/],
  ['a Sid twice', policy(statement('Deny', undefined, { Sid: 'A' }), statement('Deny', undefined, { Sid: 'A' })), /stands twice/],
  ['an unknown version', { ...ALLOW, Version: '2012-10-18' }, /Version must be/]
]) {
  test(`malformed: ${name}`, async () => {
    const answer = await ask({ id: name, request: null, policies: { session: [document] } })
    assert.equal(answer.decision, 'invalid')
    assert.match(answer.detail.faults.map((one) => one.message).join(), message)
  })
}

test('well formed documents without a request', async () => {
  const answer = await ask({ id: 2, policies: { session: [JSON.stringify(FENCED)], identity: [CUT, REVOKED], boundary: [BOUNDARY], trust: TRUST } })
  assert.deepEqual(answer, { id: 2, decision: 'valid', detail: { reasons: [], faults: [], warnings: [] } })
})

test('what nobody means is a warning', async () => {
  const odd = policy(statement('Deny', { StringEquals: { 'aws:CurentTime': 'x' } }, { Action: ['s3:GetObjekt', 's3:Get*'] }))
  const answer = await ask({ id: 3, policies: { identity: [odd] } })
  assert.equal(answer.decision, 'valid')
  assert.deepEqual(answer.detail.warnings.map((one) => one.message), ['no action matches s3:GetObjekt', 'no such condition key'])
})

test('a question that makes no sense is invalid, and the next one is answered', async () => {
  assert.equal((await ask('{')).decision, 'invalid')
  assert.equal((await ask('null')).decision, 'invalid')
  assert.equal((await decide({ identity: [ALLOW] }, {}, { action: 's3:NoSuchThing' })).decision, 'invalid')
  assert.equal((await decide({ identity: [ALLOW] }, { 'ec2:Region': 'x' })).decision, 'invalid')
  assert.equal((await decide({ identity: [ALLOW], sesion: [FENCED] })).decision, 'invalid')
  assert.equal((await decide({ identity: [ALLOW] })).decision, 'allowed')
})
