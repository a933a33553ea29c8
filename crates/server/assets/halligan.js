// Passkeys, and nothing else: a form with `data-passkey` fetches a challenge from
// `data-challenge`, has the browser answer it, and is sent with the answer in its field
// `answer`. Every other form works without a script.
"use strict";

(() => {
  const toBytes = (text) => {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  };
  const toText = (buffer) => {
    let binary = "";
    for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
    return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

  // The server takes an answer back for five minutes.
  const timeout = 300_000;
  const known = (ids) => ids.map((id) => ({ type: "public-key", id: toBytes(id) }));

  async function create(ask) {
    const { response } = await navigator.credentials.create({
      publicKey: {
        challenge: fromHex(ask.challenge),
        rp: { id: ask.rp_id, name: ask.deployment },
        user: { id: fromHex(ask.user_id), name: ask.user_name, displayName: ask.user_name },
        pubKeyCredParams: ask.algorithms.map((alg) => ({ type: "public-key", alg })),
        excludeCredentials: known(ask.credentials),
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        attestation: "none",
        timeout,
      },
    });
    return {
      nonce: ask.nonce,
      client_data: toText(response.clientDataJSON),
      attestation_object: toText(response.attestationObject),
    };
  }

  async function get(ask) {
    const { rawId, response } = await navigator.credentials.get({
      publicKey: {
        challenge: fromHex(ask.challenge),
        rpId: ask.rp_id,
        allowCredentials: known(ask.credentials),
        userVerification: "required",
        timeout,
      },
    });
    return {
      nonce: ask.nonce,
      credential: toText(rawId),
      authenticator_data: toText(response.authenticatorData),
      client_data: toText(response.clientDataJSON),
      signature: toText(response.signature),
    };
  }

  async function challenged(form) {
    const answer = await fetch(form.dataset.challenge, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
      credentials: "same-origin",
      redirect: "error",
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error([body.detail, ...(body.unmet ?? [])].join(". "));
    return body;
  }

  // What browsers say of a cancelled touch helps nobody.
  const inWords = (error) => {
    switch (error.name) {
      case "NotAllowedError":
        return "The passkey gave no answer: it was cancelled, took too long, or isn't one of those enrolled here.";
      case "InvalidStateError":
        return "This passkey is enrolled already.";
      case "SecurityError":
        return "Passkeys don't belong to this address: open the pages at their public URL.";
      default:
        return error.message;
    }
  };

  async function touched(form) {
    const status = form.querySelector("[role=status]");
    const button = form.querySelector("button");
    button.disabled = true;
    status.textContent = "Touch your passkey, or follow what your browser says.";
    try {
      const ask = await challenged(form);
      const answer = await (form.dataset.passkey === "create" ? create(ask) : get(ask));
      form.elements.answer.value = JSON.stringify(answer);
      status.textContent = "";
      form.submit();
    } catch (error) {
      status.textContent = inWords(error);
      button.disabled = false;
      button.focus();
    }
  }

  const able = typeof window.PublicKeyCredential === "function";
  for (const part of document.querySelectorAll("[data-needs-passkeys]")) part.hidden = !able;
  for (const part of document.querySelectorAll("[data-lacks-passkeys]")) part.hidden = able;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      touched(form);
    });
  }
  // A page that the browser kept has buttons that were pressed.
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("form[data-passkey] button")) button.disabled = false;
  });
})();
