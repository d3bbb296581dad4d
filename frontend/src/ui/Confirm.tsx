import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { ApiError } from "../api/client";
import { explain } from "./Trouble";

interface Props {
  title: string;
  keep: string;
  act: string;
  children: ComponentChildren;
  /** An ApiError is shown in the dialog, which then stays open. */
  onAct: () => Promise<void>;
  /** After success, when the dialog is closed and the page can take the focus again. */
  onDone: () => void;
  onClose: () => void;
}

/** Asks before something that cannot be taken back. Opens when it is mounted; focus starts on the safe answer. */
export function Confirm({ title, keep, act, children, onAct, onDone, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const busy = useSignal(false);
  const refused = useSignal("");
  const titleId = useId();
  const bodyId = useId();

  useLayoutEffect(() => {
    const box = dialog.current;
    box?.showModal();
    return () => box?.close();
  }, []);

  async function carryOut(): Promise<void> {
    busy.value = true;
    refused.value = "";
    try {
      await onAct();
      dialog.current?.close();
      onDone();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused.value = explain(error);
    } finally {
      busy.value = false;
    }
  }

  return (
    <dialog ref={dialog} class="dialog" aria-labelledby={titleId} aria-describedby={bodyId} onClose={onClose}>
      <h2 id={titleId}>{title}</h2>
      <div id={bodyId}>{children}</div>
      <p class="refusal" role="alert">
        {refused}
      </p>
      <div class="dialog-actions">
        {/* The first button in the dialog gets the focus: Enter by accident keeps everything as it is. */}
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          {keep}
        </button>
        <button type="button" class="button danger" aria-disabled={busy} onClick={() => busy.value || carryOut()}>
          {act}
        </button>
      </div>
    </dialog>
  );
}
