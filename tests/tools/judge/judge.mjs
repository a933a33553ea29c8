#!/usr/bin/env node
// A second opinion on IAM documents: JSON lines in, JSON lines out, one answer a
// question, in order, each written before the next question is read. One process
// serves a whole test run, because loading the IAM data costs far more than a
// judgement.
//
// Question:
//   { "id": any,
//     "request": { "principal": ARN, "action": "svc:Name",
//                  "resource": ARN | {"resource": ARN, "accountId": id} | "*",
//                  "context": {key: string | [string]} } | null,
//     "policies": { "identity": [doc], "boundary": [doc] | null,
//                   "session": [doc] | null, "trust": doc | null, "resource": doc | null } }
// A `doc` is an object, or the text of one: text is judged as sent, so a key that
// stands twice with two values is seen. Several session documents count together,
// as AWS counts inline and managed ones. No request means: only look whether the
// documents are well formed.
//
// Answer:
//   { "id", "decision": "allowed" | "explicitDeny" | "implicitDeny" | "invalid" | "valid",
//     "detail": { "reasons": […], "faults": [{document, path, message}], "warnings": […] } }
// "valid" answers a question without a request. "invalid" means that a document is
// malformed or the question makes no sense; nothing was evaluated. Warnings are what
// IAM accepts and nobody means: unknown actions and condition keys.
//
// It does not know: size quotas, and resource policies that name a session ARN
// (which pass over an implicit deny of the session policy on AWS, not here).

import { createInterface } from 'node:readline'
import { getDenialReasons, getGrantReasons, runSimulation } from '@cloud-copilot/iam-simulate'
import { examine, parse } from './documents.mjs'

const KINDS = ['identity', 'boundary', 'session', 'trust', 'resource']
const DECISIONS = {
  Allowed: 'allowed',
  ExplicitlyDenied: 'explicitDeny',
  ImplicitlyDenied: 'implicitDeny'
}

function invalid(faults, warnings = []) {
  return { decision: 'invalid', detail: { reasons: [], faults, warnings } }
}

function fault(document, message, path = '') {
  return { document, path, message }
}

/** Every document of the question by kind, as `{name, policy}`, with what is wrong with them. */
async function collect(policies) {
  const documents = Object.fromEntries(KINDS.map((kind) => [kind, []]))
  const faults = []
  const warnings = []
  for (const [kind, given] of Object.entries(policies)) {
    if (!KINDS.includes(kind)) {
      faults.push(fault(kind, `unknown kind of policy, expected one of ${KINDS.join(', ')}`))
      continue
    }
    const list = Array.isArray(given) ? given : given == null ? [] : [given]
    for (const [index, raw] of list.entries()) {
      const name = `${kind}[${index}]`
      const { policy, error } = parse(raw)
      if (error) {
        faults.push(fault(name, error))
        continue
      }
      const found = await examine(kind, policy)
      faults.push(...found.faults.map((one) => ({ document: name, ...one })))
      warnings.push(...found.warnings.map((one) => ({ document: name, ...one })))
      documents[kind].push({ name, policy })
    }
  }
  if (documents.trust.length + documents.resource.length > 1) {
    faults.push(fault('resource', 'expected at most one trust or resource policy'))
  }
  return { documents, faults, warnings }
}

/** The simulator takes one session policy: put several together, as AWS does. */
function together(documents) {
  if (documents.length < 2) return documents[0]?.policy
  return {
    Version: documents[0].policy.Version,
    Statement: documents.flatMap(({ policy }) => policy.Statement)
  }
}

function account(arn) {
  return String(arn).split(':')[4] ?? ''
}

/** The question in the simulator's terms, with what it would drop or misread without a word. */
function request({ principal, action, resource, context = {} }) {
  const faults = []
  const { resource: arn, accountId } =
    typeof resource === 'string' ? { resource } : (resource ?? { resource: '*' })
  const contextVariables = {}
  for (const [key, value] of Object.entries(context)) {
    if (value === null || value === undefined) continue
    contextVariables[key] = Array.isArray(value) ? value.map(String) : String(value)
  }
  for (const [key, value] of Object.entries({ principal, action, resource: arn })) {
    if (typeof value !== 'string' || value === '') {
      faults.push(fault('request', `expected a non-empty string, found ${JSON.stringify(value)}`, key))
    }
  }
  return {
    faults,
    simulated: {
      principal,
      action,
      // S3 ARNs name no account: then it is the caller's own.
      resource: { resource: arn, accountId: accountId ?? (account(arn) || account(principal)) },
      contextVariables
    }
  }
}

function simulatorFaults(errors) {
  const { message, ...documents } = errors
  const listed = Object.values(documents).flatMap((value) =>
    Array.isArray(value) ? value.map((one) => one.message ?? one) : Object.values(value).flat().map((one) => one.message)
  )
  return [fault('request', [message, ...listed].join('; '))]
}

async function judge(question) {
  const { documents, faults, warnings } = await collect(question.policies ?? {})
  if (question.request == null) {
    return faults.length > 0
      ? invalid(faults, warnings)
      : { decision: 'valid', detail: { reasons: [], faults, warnings } }
  }
  const asked = request(question.request)
  faults.push(...asked.faults)
  if (faults.length > 0) return invalid(faults, warnings)

  const answer = await runSimulation(
    {
      request: asked.simulated,
      identityPolicies: documents.identity,
      permissionBoundaryPolicies: documents.boundary.length > 0 ? documents.boundary : undefined,
      sessionPolicy: together(documents.session),
      resourcePolicy: [...documents.trust, ...documents.resource][0]?.policy,
      serviceControlPolicies: [],
      resourceControlPolicies: []
    },
    { simulationMode: 'Strict' }
  )
  if (answer.resultType === 'error') return invalid(simulatorFaults(answer.errors), warnings)

  const results = answer.resultType === 'single' ? [answer.result] : answer.results
  // A context key that the action doesn't have is left out silently, which would
  // make a test pass for the wrong reason.
  const ignored = new Set(results.flatMap((result) => result.ignoredContextKeys ?? []))
  if (ignored.size > 0) {
    return invalid([...ignored].map((key) => fault('request', `${asked.simulated.action} has no such context key`, key)), warnings)
  }
  const allowed = answer.overallResult === 'Allowed'
  const reasons = results.flatMap(({ analysis }) =>
    allowed ? getGrantReasons(analysis) : getDenialReasons(analysis)
  )
  return { decision: DECISIONS[answer.overallResult], detail: { reasons, faults, warnings } }
}

async function answer(line) {
  let question
  try {
    question = JSON.parse(line)
  } catch (error) {
    return { id: null, ...invalid([fault('question', error.message)]) }
  }
  try {
    return { id: question?.id ?? null, ...(await judge(question)) }
  } catch (error) {
    return { id: question?.id ?? null, ...invalid([fault('question', `the simulator failed: ${error.stack}`)]) }
  }
}

process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1))
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line.trim() === '') continue
  process.stdout.write(JSON.stringify(await answer(line)) + '\n')
}
